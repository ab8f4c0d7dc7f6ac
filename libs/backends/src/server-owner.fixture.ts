/** A process that owns a server, for the spec to kill. */
import { ServerProcess } from './server-process.js';

const server = new ServerProcess({ name: 'sleeper', file: '/bin/sleep', args: ['600'], environment: {}, cwd: '/' });
process.send?.(server.pid);
setInterval(() => undefined, 1000);

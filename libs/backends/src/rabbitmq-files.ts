/** What a RabbitMQ server of ours finds in its folder, and the environment that points it there and nowhere else. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { administrator, brokerDefinitions, brokerPasswordHash } from './broker-definitions.js';
import type { BrokerUser } from './broker-users.js';

/** Free disk below which the broker stops taking messages, MB. Its default of 50 is kept explicit. */
const diskFreeLimitMb = 50;
/** Erlang schedulers must not spin while idle: the machine is shared with the services. */
const noBusyWait = '+sbwt none +sbwtdcpu none +sbwtdio none';

export interface RabbitPorts {
  readonly amqp: number;
  readonly dist: number;
  readonly epmd: number;
  readonly management: number;
}

export type Passwords = Readonly<Record<string, string>>;

/** The passwords of a folder: made once, then kept (0600), so that urls stay valid over restarts. */
export async function keepPasswords(dir: string, users: readonly BrokerUser[]): Promise<Passwords> {
  const file = join(dir, 'passwords.json');
  const kept = await readFile(file, 'utf8').then((text) => JSON.parse(text) as Passwords, () => ({}) as Passwords); // prettier-ignore
  const made = [...users, administrator].map(({ name }) => [name, kept[name] ?? randomBytes(18).toString('base64url')]);
  const passwords = Object.fromEntries(made) as Passwords;
  await writePrivate(file, JSON.stringify(passwords));
  return passwords;
}

export async function writeRabbitFiles(
  dir: string,
  { users, passwords, ports }: { users: readonly BrokerUser[]; passwords: Passwords; ports: RabbitPorts },
): Promise<void> {
  await mkdir(join(dir, 'log'), { recursive: true });
  const hash = (user: string) => brokerPasswordHash(passwords[user] ?? '');
  const definitions = brokerDefinitions([...users, administrator], hash);
  await writePrivate(join(dir, 'definitions.json'), JSON.stringify(definitions, null, 2));
  await writeFile(join(dir, 'enabled_plugins'), '[rabbitmq_management].\n');
  await writeFile(join(dir, 'rabbitmq.conf'), configuration(dir, ports));
}

function configuration(dir: string, { amqp, management }: RabbitPorts): string {
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${amqp}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${management}`,
    `load_definitions = ${join(dir, 'definitions.json')}`,
    `disk_free_limit.absolute = ${diskFreeLimitMb}MB`,
    'log.file.level = warning',
    'log.console = true',
    'log.console.level = error',
  ];
  return `${lines.join('\n')}\n`;
}

/** Nothing is taken from the caller's environment but PATH and the locale. */
export function rabbitEnvironment(dir: string, ports: RabbitPorts, path: string): Record<string, string> {
  return {
    PATH: path,
    LANG: 'C.UTF-8',
    HOME: dir,
    // One process instead of a shell that waits for one: the pid we spawn is the server's.
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: 'cogmesh@localhost',
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(ports.amqp),
    RABBITMQ_DIST_PORT: String(ports.dist),
    RABBITMQ_MNESIA_BASE: join(dir, 'data'),
    RABBITMQ_LOG_BASE: join(dir, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
    RABBITMQ_CONFIG_FILE: join(dir, 'rabbitmq.conf'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(dir, 'generated'),
    RABBITMQ_PID_FILE: join(dir, 'rabbitmq.pid'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `${noBusyWait} -kernel inet_dist_use_interface {127,0,0,1}`,
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
}

async function writePrivate(file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  await chmod(file, 0o600);
}

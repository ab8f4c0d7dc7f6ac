/** The real sidecar. */
import { hostService } from '@cogmesh/service';
import { sidecarService } from '@cogmesh/sidecar';
import { createLogger } from '@cogmesh/telemetry';
import { options, ready } from './child.mjs';

const { environment } = options();
const hosted = await hostService(sidecarService, { logger: createLogger({ level: 'silent' }), environment });
ready(hosted.running.addresses.grpc);

/** The real policy service, on SQLite and a bus of its own. */
import { createMemoryHub } from '@cogmesh/bus';
import { policyService } from '@cogmesh/policy';
import { hostService } from '@cogmesh/service';
import { createLogger } from '@cogmesh/telemetry';
import { options, ready } from './child.mjs';

const { environment } = options();
const logger = createLogger({ level: 'silent' });
const hosted = await hostService(policyService, { logger, environment, hub: createMemoryHub() });
ready(hosted.running.addresses.grpc);

/** The real gateway, on SQLite and a bus of its own. */
import { createMemoryHub } from '@cogmesh/bus';
import { gatewayService } from '@cogmesh/gateway';
import { hostService } from '@cogmesh/service';
import { createLogger } from '@cogmesh/telemetry';
import { options, ready } from './child.mjs';

const { environment } = options();
const logger = createLogger({ level: 'silent' });
const hosted = await hostService(gatewayService, { logger, environment, hub: createMemoryHub() });
ready(Number(new URL(hosted.running.addresses.http).port));

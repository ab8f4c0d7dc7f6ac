import { runService } from '@cogmesh/service';
import { gatewayService } from './service.js';

await runService(gatewayService);

import { runService } from '@cogmesh/service';
import { sidecarService } from './service.js';

await runService(sidecarService);

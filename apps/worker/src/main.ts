import { runService } from '@cogmesh/service';
import { workerService } from './service.js';

await runService(workerService);

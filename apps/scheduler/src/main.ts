import { runService } from '@cogmesh/service';
import { schedulerService } from './service.js';

await runService(schedulerService);

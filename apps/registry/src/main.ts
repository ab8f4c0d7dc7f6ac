import { runService } from '@cogmesh/service';
import { registryService } from './service.js';

await runService(registryService);

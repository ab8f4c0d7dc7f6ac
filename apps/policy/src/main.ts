import { runService } from '@cogmesh/service';
import { policyService } from './service.js';

await runService(policyService);

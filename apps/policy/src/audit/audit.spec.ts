import { openSqlite } from '@cogmesh/database';
import { auditContract } from './audit.contract.js';

auditContract('SQLite', () => openSqlite(':memory:'));

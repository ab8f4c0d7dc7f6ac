import { schedulerContract } from './scheduler.contract.js';

schedulerContract('SQLite', () => ({}));

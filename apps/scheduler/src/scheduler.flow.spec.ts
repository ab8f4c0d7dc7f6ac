import { flowContract } from './scheduler.flow.contract.js';

flowContract('SQLite', () => ({}));

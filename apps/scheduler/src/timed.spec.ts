import { timedContract } from './timed.contract.js';

timedContract('SQLite', () => ({}));

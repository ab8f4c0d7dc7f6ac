import { lostWorkContract } from './lost-work.contract.js';

lostWorkContract('SQLite', () => ({}));

import { openSqlite } from '@cogmesh/database';
import { commandsContract } from './commands.contract.js';

commandsContract('SQLite', () => openSqlite(':memory:'));

import { openSqlite } from '@cogmesh/database';
import { keeperContract } from './shard-keeper.contract.js';

keeperContract('SQLite', () => openSqlite(':memory:'));

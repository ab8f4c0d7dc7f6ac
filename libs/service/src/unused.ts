/** Stand-ins where a service said it needs no bus or no database: using one is a bug and says so. */
import type { Bus } from '@cogmesh/bus';
import type { Database } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';

const refuse = (service: string, what: string) => async (): Promise<never> => {
  throw new CogmeshError('internal', `${service} declared that it needs no ${what}`);
};

const nothing = async (): Promise<void> => {};

export function unusedBus(service: string): Bus {
  const refused = refuse(service, 'bus');
  return { durable: false, declare: refused, publish: refused, consume: refused, ping: nothing, close: nothing };
}

export function unusedDatabase(service: string): Database {
  const refused = refuse(service, 'database');
  return {
    dialect: 'sqlite',
    query: refused,
    execute: refused,
    batch: refused,
    transaction: refused,
    migrate: refused,
    now: refused,
    ping: nothing,
    close: nothing,
  };
}

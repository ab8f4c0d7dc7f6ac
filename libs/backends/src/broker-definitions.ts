/** The definitions document that RabbitMQ loads at boot (`load_definitions`): users, permissions, exchanges. */
import { createHash, randomBytes } from 'node:crypto';
import { standardExchanges, type BrokerUser } from './broker-users.js';

/** Ends in the broker only: configures, sees and closes everything. Nothing of Cogmesh runs as this user. */
export const administrator: BrokerUser = {
  name: 'admin',
  configure: '.*',
  write: '.*',
  read: '.*',
  tags: ['administrator'],
};

const vhost = '/';

/** rabbit_password_hashing_sha256: base64 of a 4-byte salt followed by SHA-256 of salt and password. */
export function brokerPasswordHash(password: string, salt: Buffer = randomBytes(4)): string {
  const digest = createHash('sha256').update(salt).update(password, 'utf8').digest();
  return Buffer.concat([salt, digest]).toString('base64');
}

/** `passwordHash` gives each user's hash (or a placeholder, for a template). */
export function brokerDefinitions(users: readonly BrokerUser[], passwordHash: (user: string) => string): object {
  return {
    vhosts: [{ name: vhost }],
    users: users.map(({ name, tags = [] }) => ({
      name,
      password_hash: passwordHash(name),
      hashing_algorithm: 'rabbit_password_hashing_sha256',
      tags: tags.join(','),
    })),
    permissions: users.map(({ name, configure, write, read }) => ({ user: name, vhost, configure, write, read })),
    exchanges: standardExchanges.map(({ name, type }) => ({
      ...{ name, vhost, type, durable: true, auto_delete: false, internal: false, arguments: {} },
    })),
  };
}

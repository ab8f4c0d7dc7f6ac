import type { Command } from 'commander';
import { mintDevelopmentToken } from '@cogmesh/identity';
import type { WithContext } from '../program.js';

interface TokenOptions {
  readonly sub: string;
  readonly role: string[];
  readonly issuer?: string;
  readonly ttl: string;
}

export function addToken(program: Command, contextOf: WithContext): void {
  program
    .command('token')
    .description('mint a development token with the data directory’s issuer key')
    .option('--sub <name>', 'subject', 'developer')
    .option('--role <role...>', 'roles it claims', ['admin'])
    .option('--issuer <name>', 'issuer key to sign with (keys/issuers/<name>.jwk)')
    .option('--ttl <seconds>', 'life in seconds, at most 86400', '3600')
    .action(async ({ sub, role, issuer, ttl }: TokenOptions, command: Command) => {
      const context = contextOf(command);
      const request = {
        sub,
        roles: role,
        ttlSeconds: Number(ttl),
        ...(issuer === undefined ? {} : { issuerName: issuer }),
      };
      const token = await mintDevelopmentToken(context.directory.keysDir, request);
      context.say(token);
      context.emit({ token });
    });
}

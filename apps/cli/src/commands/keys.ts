import type { Command } from 'commander';
import { ensureCertificates } from '@cogmesh/identity';
import type { WithContext } from '../program.js';

interface CertificateOptions {
  readonly name: string[];
  readonly days: string;
  readonly renew?: boolean;
}

export function addKeys(program: Command, contextOf: WithContext): void {
  const keys = program.command('keys').description('keys and certificates of the data directory');
  keys
    .command('certificates')
    .description('make a private authority and certificates for mutual TLS (docs/guides/tls.md); what is good stays')
    .option('--name <name...>', 'more names than those of the services, for example of agents', [])
    .option('--days <days>', 'how long certificates are good', '90')
    .option('--renew', 'make all of them anew, with the same authority')
    .action(async ({ name, days, renew = false }: CertificateOptions, command: Command) => {
      const context = contextOf(command);
      const made = await ensureCertificates(context.directory.keysDir, { names: name, days: Number(days), renew });
      context.say(made.length === 0 ? 'every certificate is good; nothing changed' : `made: ${made.join(', ')}`);
      context.emit({ made });
    });
}

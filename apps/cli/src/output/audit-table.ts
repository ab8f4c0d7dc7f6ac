/** The decision log for a person. */
import type { AuditEntryView, AuditVerificationView } from '@cogmesh/sdk';
import { paint } from './colours.js';
import { table } from './table.js';

export function auditTable(entries: readonly AuditEntryView[]): string {
  const rows = entries.map((entry) => [
    entry.position,
    entry.at,
    entry.allowed ? paint.green('allowed') : paint.red(entry.code),
    `${entry.subject.sub} (${entry.subject.organisation})`,
    `${entry.action} ${entry.resource}`,
    entry.owner,
    entry.point,
    entry.count,
    entry.rules.join(' ') || (entry.allowed ? '' : entry.reason),
  ]);
  return table(['#', 'at', 'decision', 'subject', 'asked', 'owner', 'point', 'times', 'because of'], rows);
}

export function verificationText(verification: AuditVerificationView): string {
  const { verified, position, hash, firstPosition, problem } = verification;
  if (problem !== null) {
    const before = verified === 0 ? '' : `; the ${verified} entries before it are right`;
    return `${paint.red('wrong')}  entry ${problem.position}: ${problem.problem}${before}`;
  }
  if (hash === '') return `${paint.green('right')}  the decision log is empty`;
  const removed = firstPosition > 1 ? `, from ${firstPosition} on (older ones were removed)` : '';
  const kept = `keep ${paint.bold(`${position}:${hash}`)} to prove later that nothing up to here was changed`;
  return `${paint.green('right')}  ${verified} entries${removed}\n${kept}`;
}

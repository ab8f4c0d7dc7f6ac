/** Decisions that would flip: who loses what and who gains what, the losses first. */
import type { PolicyFlipView } from '@cogmesh/sdk';
import { paint } from './colours.js';
import { table } from './table.js';

export function flipTable(flips: readonly PolicyFlipView[]): string {
  const denied = flips.filter(({ liveCode }) => liveCode === 'allowed');
  const allowed = flips.filter(({ liveCode }) => liveCode !== 'allowed');
  const rows = [...denied, ...allowed].map((flip) => {
    const { organisation, subject, action, resource, candidateCode, candidateReason, count } = flip;
    const loses = flip.liveCode === 'allowed';
    return [
      loses ? paint.red('allow → deny') : paint.yellow('deny → allow'),
      count,
      `${subject} of ${organisation}`,
      action,
      resource,
      `${candidateReason} ${paint.dim(`(${candidateCode})`)}`,
    ];
  });
  return table(['flip', 'times', 'who', 'action', 'resource', 'because then'], rows);
}

/** `3 would be denied, 1 would be allowed`. */
export function flipSummary({ toDeny, toAllow }: { readonly toDeny: number; readonly toAllow: number }): string {
  if (toDeny + toAllow === 0) return paint.green('no decision flips');
  const parts = [
    ...(toDeny > 0 ? [paint.red(`${toDeny} that ${toDeny === 1 ? 'was' : 'were'} allowed would be denied`)] : []),
    ...(toAllow > 0 ? [paint.yellow(`${toAllow} that ${toAllow === 1 ? 'was' : 'were'} denied would be allowed`)] : []),
  ];
  return parts.join(', ');
}

/** What each rule near a decision did: the ones that counted first to the eye, the others dim. */
import { paint } from './colours.js';
import { table } from './table.js';

export interface RuleLine {
  readonly organisation: string;
  readonly ruleId: string;
  readonly effect: string;
  readonly outcome: 'matched' | 'skipped' | 'failed';
  readonly detail: string;
  readonly condition: string;
}

const marks = { matched: '●', skipped: '○', failed: '✗' };

/** Empty without rules. */
export function outcomeTable(rules: readonly RuleLine[]): string {
  if (rules.length === 0) return '';
  const rows = rules.map(({ organisation, ruleId, effect, outcome, detail, condition }) => {
    const colour = outcome === 'skipped' ? paint.dim : effect === 'deny' ? paint.red : paint.green;
    const why = condition === '' || outcome === 'skipped' ? detail : `${detail}: ${condition}`;
    return [
      colour(`${marks[outcome]} ${outcome}`),
      effect,
      colour(`${organisation}/${ruleId}`),
      outcome === 'skipped' ? paint.dim(why) : why,
    ];
  });
  return table(['', 'effect', 'policy', 'why'], rows);
}

/**
 * What a ready task needs of an agent, as one text: its canonical `uses` and, on a second line, the labels that the agent
 * must carry. Tasks with the same need can be served by the same agents.
 */
export interface Need {
  readonly uses: string;
  /** Each with its value. */
  readonly labels: readonly (readonly [label: string, value: string])[];
}

/** The labels as stored: JSON of pairs in order, so that the same labels are the same text; null for none. */
export function affinityText(affinity: Readonly<Record<string, string>> | undefined): string | null {
  const labels = Object.entries(affinity ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return labels.length === 0 ? null : JSON.stringify(labels);
}

export function needOf({ uses, affinity }: { readonly uses: string; readonly affinity: string | null }): string {
  return affinity === null ? uses : `${uses}\n${affinity}`;
}

/** The opposite of `needOf`. */
export function parseNeed(need: string): Need {
  const [uses = '', affinity] = need.split('\n');
  return { uses, labels: affinity === undefined ? [] : (JSON.parse(affinity) as Need['labels']) };
}

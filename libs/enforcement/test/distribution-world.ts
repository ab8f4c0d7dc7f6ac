/** A policy service by contract that can say everything: deltas, revocations, and signatures that end. */
import type { RevocationChange, ServiceIdentity } from '@cogmesh/identity';
import { documentChange, type BundleAnswer, type BundleQuestion } from '../src/index.js';

interface Published {
  readonly epoch: number;
  readonly policies: unknown;
}

export class PublishedEverything {
  readonly #policy: ServiceIdentity;
  readonly #sets = new Map<string, Published[]>();
  readonly changes: RevocationChange[] = [];
  /** Milliseconds since 1970; undefined signs without an end. */
  expiresAtMs: number | undefined;
  readonly questions: BundleQuestion[] = [];

  constructor(policy: ServiceIdentity) {
    this.#policy = policy;
  }

  put(organisation: string, policies: unknown): number {
    const sets = this.#sets.get(organisation) ?? [];
    const epoch = (sets.at(-1)?.epoch ?? 0) + 1;
    this.#sets.set(organisation, [...sets, { epoch, policies }]);
    return epoch;
  }

  revoke(thing: Partial<RevocationChange>): number {
    const epoch = this.changes.length + 1;
    const whole = {
      kind: 'subject',
      organisation: 'acme',
      issuer: 'https://i',
      value: '',
      untilMs: 0,
      lifted: false,
    } as const;
    this.changes.push({ ...whole, ...thing, epoch });
    return epoch;
  }

  readonly answer = async (question: BundleQuestion): Promise<BundleAnswer> => {
    this.questions.push(question);
    const { knownEpochs, nonce, knownRevocations, deltas } = question;
    const bundlesJws: string[] = [];
    const deltasJws: string[] = [];
    const ends = this.expiresAtMs === undefined ? {} : { expiresAtMs: this.expiresAtMs };
    for (const [organisation, sets] of this.#sets) {
      const last = sets.at(-1) as Published;
      const base = sets.find(({ epoch }) => epoch === Number(knownEpochs[organisation] ?? 0n));
      if (base?.epoch === last.epoch) continue;
      const change = deltas && base !== undefined ? documentChange(base.policies, last.policies) : undefined;
      if (change === undefined) bundlesJws.push(await this.#policy.signBundle({ organisation, ...last, ...ends }));
      else
        deltasJws.push(
          await this.#policy.signBundleDelta({
            organisation,
            base: base?.epoch ?? 0,
            epoch: last.epoch,
            ...change,
            ...ends,
          }),
        );
    }
    const epochs = Object.fromEntries([...this.#sets].map(([name, sets]) => [name, sets.at(-1)?.epoch ?? 0]));
    const since = Number(knownRevocations);
    const revocations = this.changes.length;
    const list = { since, epoch: revocations, changes: this.changes.slice(since) };
    return {
      bundlesJws,
      deltasJws,
      revocationsJws: since >= revocations ? '' : await this.#policy.signRevocations(list),
      heartbeatJws: await this.#policy.signHeartbeat({ nonce, epochs, revocations }),
    };
  };
}

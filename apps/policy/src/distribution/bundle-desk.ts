/**
 * Answers an enforcement point: what is new since what it holds, and the heartbeat over exactly that state. A question that would get
 * nothing new may be kept until there is something. What the point refused is logged here, where somebody looks.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { ServiceIdentity } from '@cogmesh/identity';
import type { Logger } from '@cogmesh/telemetry';
import { bundleWaitMaxMs, nonceMaxChars, nonceMinChars, refusedUpdatesMax } from '../limits.js';
import type { Page, PolicyBook } from '../policy-book.js';
import type { RevocationLedger } from '../revocations/revocation-ledger.js';
import type { BundlePress } from './bundle-press.js';
import type { News } from './news.js';

export interface BundleDeskParts {
  readonly book: PolicyBook;
  readonly ledger: RevocationLedger;
  readonly press: BundlePress;
  readonly news: News;
  readonly signer: Pick<ServiceIdentity, 'signHeartbeat'>;
  readonly logger: Logger;
}

export class BundleDesk {
  readonly #parts: BundleDeskParts;

  constructor(parts: BundleDeskParts) {
    this.#parts = parts;
  }

  /** `by` names the asking service, for the log. Throws `invalid_argument` for a nonce that is none. */
  async answer(request: policyV1.GetBundleRequest, by: string) {
    const { book, ledger, press, news, signer } = this.#parts;
    const { nonce, knownRevocations, waitMs, deltas } = request;
    if (nonce.length < nonceMinChars || nonce.length > nonceMaxChars)
      throw new CogmeshError(
        'invalid_argument',
        `the nonce must have ${String(nonceMinChars)} to ${String(nonceMaxChars)} characters`,
      );
    this.#report(request.refused, by);
    const known = new Map(Object.entries(request.knownEpochs).map(([name, epoch]) => [name, Number(epoch)]));
    const isCurrent = () => isSame(known, book.pages()) && Number(knownRevocations) === ledger.revocations.epoch;
    if (isCurrent()) await news.wait(Math.min(waitMs, bundleWaitMaxMs));
    const pages = book.pages();
    const list = ledger.listSince(Number(knownRevocations));
    const epochs = Object.fromEntries([...pages].map(([name, { epoch }]) => [name, epoch]));
    const prints = await press.since(known, pages, deltas);
    return {
      bundlesJws: prints.bundles,
      deltasJws: prints.deltas,
      revocationsJws: await list.signed(),
      organisations: [...pages.keys()],
      heartbeatJws: await signer.signHeartbeat({ nonce, epochs, revocations: list.current }),
    };
  }

  #report(refused: policyV1.GetBundleRequest['refused'], by: string): void {
    for (const { reason, organisation, epoch, detail, count } of refused.slice(0, refusedUpdatesMax))
      this.#parts.logger.warn(
        { by, reason, organisation, epoch: Number(epoch), count },
        `an enforcement point refused an update: ${detail}`,
      );
  }
}

function isSame(known: ReadonlyMap<string, number>, pages: ReadonlyMap<string, Page>): boolean {
  if (known.size !== pages.size) return false;
  for (const [name, { epoch }] of pages) if (known.get(name) !== epoch) return false;
  return true;
}

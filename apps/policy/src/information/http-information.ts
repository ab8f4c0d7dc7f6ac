/**
 * What organisations know of their own resources, from the source that each names in its policy set: one signed POST about
 * all resources of a question. No redirect is followed, no private address reached unless the operator allows it, and an
 * answer that is late, too long, not JSON or not of the declared types is no answer.
 */
import { CogmeshError } from '@cogmesh/errors';
import { parseStrictJson } from '@cogmesh/identity';
import type { InformationNeed, InformationSource } from '@cogmesh/policy-core';
import type { Attributes, PolicyInformation, Told } from './information.js';
import { postQuestion } from './post-question.js';
import { RememberedAnswers } from './remembered-answers.js';

/** Resources of one question. */
const resourcesPerCall = 100;

export interface HttpInformationOptions {
  readonly sign: (question: { readonly url: string; readonly body: string }) => Promise<string>;
  /** Plain http, and addresses that are not of the public internet. */
  readonly allowPrivate: boolean;
  /** Where a set says nothing, milliseconds. */
  readonly timeoutMs: number;
  readonly ttlMs: number;
  readonly bodyMaxBytes: number;
  /** Of each organisation. */
  readonly entriesMax: number;
  readonly callsMax: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

type Sourced = InformationNeed & { readonly source: InformationSource };

export class HttpInformation implements PolicyInformation {
  readonly #options: HttpInformationOptions;
  /** Of each organisation its own, so that a slow source is no other's matter. */
  readonly #ofOwner = new Map<string, RememberedAnswers<Attributes>>();

  constructor(options: HttpInformationOptions) {
    this.#options = options;
  }

  /** The needs of one owner, whose source they all name. */
  async attributesOf(needs: readonly InformationNeed[]): Promise<readonly Told[]> {
    const sourced = needs.filter((need): need is Sourced => need.source !== undefined);
    const [first] = sourced;
    if (first === undefined) return [];
    const { source, owner } = first;
    const { timeoutMs = this.#options.timeoutMs, ttlMs = this.#options.ttlMs } = source;
    try {
      const byKey = new Map(sourced.map((need) => [keyOf(need), need]));
      const ask = (keys: readonly string[]) =>
        this.#ask(
          source,
          keys.map((key) => byKey.get(key) ?? first),
        );
      const answers = await this.#of(owner).answers({ keys: sourced.map(keyOf), ttlMs, ask });
      return sourced.map((need, i) => typed(need, answers[i]?.value ?? {}, answers[i]?.untilMs ?? 0));
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      const problem = `the information source of ${owner} did not say in ${String(timeoutMs)} ms: ${why}`;
      return sourced.map(() => ({ attributes: {}, untilMs: this.#options.now(), problem }));
    }
  }

  #of(owner: string): RememberedAnswers<Attributes> {
    let answers = this.#ofOwner.get(owner);
    if (answers === undefined) this.#ofOwner.set(owner, (answers = new RememberedAnswers(this.#options)));
    return answers;
  }

  async #ask(source: InformationSource, needs: readonly Sourced[]): Promise<readonly Attributes[]> {
    const pages: (readonly Sourced[])[] = [];
    for (let at = 0; at < needs.length; at += resourcesPerCall) pages.push(needs.slice(at, at + resourcesPerCall));
    return (await Promise.all(pages.map((page) => this.#askPage(source, page)))).flat();
  }

  async #askPage({ url, timeoutMs }: InformationSource, needs: readonly Sourced[]): Promise<readonly Attributes[]> {
    const { sign, allowPrivate, bodyMaxBytes } = this.#options;
    const resources = needs.map(({ resource: { type, id }, ofSource }) => ({ type, id, attributes: ofSource }));
    const body = JSON.stringify({ resources });
    const limits = { allowPrivate, bodyMaxBytes, timeoutMs: timeoutMs ?? this.#options.timeoutMs };
    const answer = await postQuestion({ url, body, token: await sign({ url, body }) }, limits);
    return readAnswer(answer, needs.length);
  }
}

/** The set's epoch is not in it: what the source says of a resource does not depend on the policies. Its address and names are. */
function keyOf({ source, resource, ofSource }: InformationNeed): string {
  return JSON.stringify([source?.url, resource.type, resource.id, ofSource]);
}

function readAnswer(text: string, count: number): readonly Attributes[] {
  const answer = membersOf(parseStrictJson(text));
  const { resources } = answer;
  if (!Array.isArray(resources) || resources.length !== count)
    throw new CogmeshError('invalid_json', `the answer has no "resources" with ${String(count)} entries`);
  return resources.map((each: unknown) => membersOf(membersOf(each)['attributes'] ?? {}));
}

function membersOf(value: unknown): Attributes {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Attributes;
  throw new CogmeshError('invalid_json', 'the answer has something else where an object belongs');
}

function typed({ owner, source, ofSource }: Sourced, given: Attributes, untilMs: number): Told {
  const right = ofSource.filter(
    (name) => Object.hasOwn(given, name) && typeOf(given[name]) === source.attributes[name],
  );
  const attributes = Object.fromEntries(right.map((name) => [name, given[name]]));
  const wrong = ofSource.filter((name) => !right.includes(name));
  if (wrong.length === 0) return { attributes, untilMs };
  const problem = `the information source of ${owner} gave no "${wrong.join('", "')}" of the declared type`;
  return { attributes, untilMs, problem };
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return 'list';
  return typeof value === 'object' && value !== null ? 'map' : typeof value;
}

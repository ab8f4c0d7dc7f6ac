/**
 * The face of PolicyService. Who may call what is settled before a handler runs; here is only what depends on the
 * request: policies are written and read by their own organisation, with the right to do so in the permit.
 */
import { policyV1 } from '@cogmesh/contracts';
import {
  enforceable,
  formatConsistencyToken,
  parseConsistencyToken,
  accessReader,
  fromDecision,
  fromRevocation,
  type DecisionLog,
  type PolicySource,
} from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { messageOfIssuer } from '@cogmesh/identity';
import { implement, type CallContext, type OutsideSubject, type ServiceBinding } from '@cogmesh/rpc';
import { attributeNames, spanNames, withSpan } from '@cogmesh/telemetry';
import type { BundleDesk } from '../distribution/bundle-desk.js';
import { decideManyMax } from '../limits.js';
import { explained, type Informed, type Informer } from '../information/informer.js';
import type { PolicyBook } from '../policy-book.js';
import type { PutPolicies } from '../put-policies.js';
import { assertNote } from '../versions/limits.js';
import type { ShadowBook } from '../versions/shadow-book.js';
import { logDecisions } from './log-decisions.js';
import { fromOutcome } from './messages.js';

export interface PolicyRpcParts {
  readonly book: PolicyBook;
  readonly putPolicies: PutPolicies;
  readonly desk: BundleDesk;
  /** What is revoked, and the wait for what a caller must see. */
  readonly source: Pick<PolicySource, 'revocations' | 'atLeast'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Of what is decided for services that keep no log of their own answers. */
  readonly log: DecisionLog;
  /** What has to be asked before a decision. */
  readonly informer: Informer;
  /** Judges decisions again under candidates, later. */
  readonly shadow: Pick<ShadowBook, 'observe' | 'organisations'>;
}

export function policyRpc(parts: PolicyRpcParts): ServiceBinding {
  const { book } = parts;
  return implement(policyV1.PolicyService, {
    decide: (request, call) => decide(parts, request, call),
    decideMany: (request, call) => decideMany(parts, request, call),
    explain: ({ request }) => explain(parts, request),
    getBundle: (request, call) => getBundle(parts, request, call),
    getIssuers: async () => ({ issuers: book.issuers.map(messageOfIssuer) }),
    putPolicies: (request, call) => putPolicies(parts, request, call),
    getPolicies: (request, call) => getPolicies(book, request, call),
  });
}

async function getBundle(
  { desk, shadow }: PolicyRpcParts,
  request: policyV1.GetBundleRequest,
  { caller }: CallContext,
) {
  const answer = await desk.answer(request, caller.kind === 'service' ? caller.service : caller.kind);
  return { ...answer, watched: shadow.organisations };
}

interface Asked extends Pick<CallContext, 'caller'> {
  readonly tokenId: string | undefined;
}

/** The decision, which candidates are then held against. */
function judged({ book, shadow, source, now }: PolicyRpcParts, informed: Informed, { caller, tokenId = '' }: Asked) {
  const { access } = informed;
  const revocation = source.revocations.find({ ...access.subject, tokenId }, now());
  if (revocation !== undefined) return fromRevocation(revocation);
  const decision = book.engine.decide(access);
  // What a source did not tell is nothing that a candidate could be blamed for.
  if (informed.problems.length === 0) shadow.observe(access, decision);
  const told = explained(decision, informed);
  return { ...fromDecision(enforcesItself(caller) ? told : enforceable(told)), ...informedFields(informed) };
}

function informedFields({ attributes, untilMs }: Informed) {
  if (untilMs === undefined) return {};
  return { informedJson: JSON.stringify(attributes), informedUntilMs: BigInt(Math.trunc(untilMs)) };
}

/** The gateway meets obligations, or hands them on to enforcement points outside; no other service knows any. */
const enforcesItself = (caller: CallContext['caller']): boolean =>
  caller.kind === 'service' && caller.service === 'gateway';

/** Waits for the writes that the callers must see; `stale_policy` when they do not come. */
async function seen({ source }: PolicyRpcParts, requests: readonly policyV1.DecideRequest[]): Promise<void> {
  const tokens = new Set(requests.map(({ consistencyToken }) => consistencyToken).filter((token) => token !== ''));
  for (const token of tokens) await source.atLeast(parseConsistencyToken(token));
}

function decide(parts: PolicyRpcParts, request: policyV1.DecideRequest, call: CallContext) {
  return withSpan(spanNames.evaluate, {}, async (span) => {
    await seen(parts, [request]);
    const [informed] = await parts.informer.inform([accessReader(parts.now())(request)] as const);
    const { access } = informed;
    const answer = judged(parts, informed, { caller: call.caller, tokenId: request.subject?.tokenId });
    await logDecisions(parts.log, call, [{ access, answer }]);
    span.setAttributes({
      [attributeNames.decisionId]: answer.decisionId,
      [attributeNames.decisionAllowed]: answer.allowed ?? false,
      [attributeNames.decisionCode]: answer.code ?? '',
      [attributeNames.policyEpoch]: Number(answer.epoch ?? 0n),
      [attributeNames.organisation]: access.subject.organisation,
      [attributeNames.action]: access.action,
      [attributeNames.resource]: `${access.resource.type}:${access.resource.id}`,
    });
    return answer;
  });
}

async function decideMany(parts: PolicyRpcParts, { requests, subject }: policyV1.DecideManyRequest, call: CallContext) {
  if (requests.length > decideManyMax)
    throw new CogmeshError(
      'invalid_argument',
      `${String(requests.length)} requests in one call, at most ${String(decideManyMax)}`,
    );
  await seen(parts, requests);
  const nowMs = parts.now();
  const read = accessReader(nowMs);
  for (const request of requests) if (subject !== undefined) request.subject ??= subject;
  const accesses = requests.map(read);
  return withSpan(spanNames.evaluate, {}, async (span) => {
    const answered = (await parts.informer.inform(accesses)).map((informed, i) => ({
      access: informed.access,
      answer: judged(parts, informed, { caller: call.caller, tokenId: requests[i]?.subject?.tokenId }),
    }));
    await logDecisions(parts.log, call, answered);
    const responses = answered.map(({ answer }) => answer);
    const refused = responses.find(({ allowed }) => allowed !== true);
    const told = refused ?? responses[0];
    span.setAttributes({
      [attributeNames.decisionAllowed]: refused === undefined,
      [attributeNames.decisionId]: told?.decisionId ?? '',
      [attributeNames.decisionCode]: told?.code ?? '',
      [attributeNames.policyEpoch]: Number(told?.epoch ?? 0n),
    });
    return { responses };
  });
}

async function explain({ book, now, informer }: PolicyRpcParts, request: policyV1.DecideRequest | undefined) {
  if (request === undefined) throw new CogmeshError('invalid_argument', 'there is no request to explain');
  const [informed] = await informer.inform([accessReader(now())(request)] as const);
  const { decision, rules } = book.engine.explain(informed.access);
  return { decision: fromDecision(explained(decision, informed)), rules: rules.map(fromOutcome) };
}

async function putPolicies(parts: PolicyRpcParts, request: policyV1.PutPoliciesRequest, call: CallContext) {
  const { organisation, policySetJson, expectedEpoch, note } = request;
  const subject = memberWith(call, organisation, 'write');
  assertNote(note);
  const command = { organisation, json: policySetJson, expectedEpoch: Number(expectedEpoch), note };
  const epoch = await parts.putPolicies.execute({ ...command, writtenBy: `${subject.sub} (${subject.issuer})` });
  const consistencyToken = formatConsistencyToken({ epochs: { [organisation]: epoch }, revocations: 0 });
  return { epoch: BigInt(epoch), consistencyToken };
}

async function getPolicies(book: PolicyBook, { organisation }: policyV1.GetPoliciesRequest, call: CallContext) {
  memberWith(call, organisation, 'read');
  const page = book.current(organisation);
  if (page === undefined) throw new CogmeshError('not_found', `there is no organisation "${organisation}"`);
  return { policySetJson: JSON.stringify(page.document), epoch: BigInt(page.epoch) };
}

/** The caller, if a member of the organisation whose permit carries the action on its policies. */
export function memberWith({ caller }: CallContext, organisation: string, action: 'read' | 'write'): OutsideSubject {
  if (caller.kind !== 'subject')
    throw new CogmeshError(
      'permission_denied',
      'policies are read and written on behalf of a member of their organisation',
    );
  if (caller.subject.organisation !== organisation)
    throw new CogmeshError(
      'permission_denied',
      `a member of ${caller.subject.organisation} may not ${action} policies of another organisation`,
    );
  if (!caller.access.some((right) => right.action === action && right.resource === '/policies'))
    throw new CogmeshError('permission_denied', `the permit does not carry "${action}" on /policies`);
  return caller.subject;
}

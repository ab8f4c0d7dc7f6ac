/** Versions, the candidate and simulations of the caller's own organisation. Nobody names another one. */
import { policyVersionsV1 } from '@cogmesh/contracts';
import type { DescMethod, MessageInitShape } from '@bufbuild/protobuf';
import type { CallOptions, Client } from '@cogmesh/rpc';
import { authorise } from './authority.js';
import { parseJson } from './json-text.js';
import type { Operation, OperationRequest } from './operation.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

export type PolicyVersionClient = Client<typeof policyVersionsV1.PolicyVersionService>;

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'policyVersions'>;
type Nothing = Record<string, never>;
/** What a caller says; the organisation is taken from the token. */
type Said<Request> = Omit<Request, 'organisation' | '$typeName' | '$unknown'>;

export interface PolicyVersionOperations {
  readonly list: Operation<Said<policyVersionsV1.ListVersionsRequest>, policyVersionsV1.ListVersionsResponse>;
  readonly get: Operation<Said<policyVersionsV1.GetVersionRequest>, policyVersionsV1.GetVersionResponse>;
  readonly rollback: Operation<Said<policyVersionsV1.RollbackRequest>, policyVersionsV1.RollbackResponse>;
  readonly putCandidate: Operation<Said<policyVersionsV1.PutCandidateRequest>, policyVersionsV1.PutCandidateResponse>;
  readonly getCandidate: Operation<Nothing, policyVersionsV1.GetCandidateResponse>;
  readonly dropCandidate: Operation<Nothing, policyVersionsV1.DropCandidateResponse>;
  readonly promote: Operation<
    Said<policyVersionsV1.PromoteCandidateRequest>,
    policyVersionsV1.PromoteCandidateResponse
  >;
  readonly simulate: Operation<
    MessageInitShape<typeof policyVersionsV1.SimulateRequestSchema>,
    policyVersionsV1.SimulateResponse
  >;
}

export function policyVersions(ports: Ports): PolicyVersionOperations {
  const { method } = policyVersionsV1.PolicyVersionService;
  const client = ports.policyVersions;
  const reading = caller(ports, 'read');
  const writing = caller(ports, 'write');
  return {
    list: reading(method.listVersions, (input, options) => client.listVersions(input, options)),
    get: reading(method.getVersion, (input, options) => client.getVersion(input, options)),
    rollback: writing(method.rollback, (input, options) => client.rollback(input, options)),
    putCandidate: writing(method.putCandidate, (input, options) => {
      parseJson(input.policySetJson);
      return client.putCandidate(input, options);
    }),
    getCandidate: reading(method.getCandidate, (input, options) => client.getCandidate(input, options)),
    dropCandidate: writing(method.dropCandidate, (input, options) => client.dropCandidate(input, options)),
    promote: writing(method.promoteCandidate, (input, options) => client.promoteCandidate(input, options)),
    simulate: reading(method.simulate, (input, options) => client.simulate(input, options)),
  };
}

type Send<Input, Answer> = (input: Input & { readonly organisation: string }, options: CallOptions) => Promise<Answer>;

function caller({ decisions, calls }: Ports, action: 'read' | 'write') {
  return <Input, Answer>(method: DescMethod, send: Send<Input, Answer>): Operation<Input, Answer> =>
    async (request: OperationRequest<Input>) => {
      const permission = await authorise(decisions, request, [right(action, '/policies')]);
      const { organisation } = request.subject;
      return calls.call({
        audience: 'policy',
        method,
        permission,
        signal: request.signal,
        send: (options) => send({ ...request.input, organisation }, options),
      });
    };
}

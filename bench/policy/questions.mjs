/** The same questions in the words of each decision point: how many there are, and their bytes, is fixed by the seed. */
import { postOf } from './http-load.mjs';
import { requestOf, sequence } from './generator.mjs';

export const BATCH = 100;
const KINDS = 200;

/** `count` lists of questions of one organisation each. */
function listsOf(asked, { count, length }) {
  const below = sequence(7);
  return Array.from({ length: count }, () => {
    const place = asked[below(asked.length)];
    return Array.from({ length }, () => requestOf(place, below));
  });
}

const inWords = (asked, toBytes) => ({
  single: listsOf(asked, { count: KINDS, length: 1 }).map(toBytes),
  batch: listsOf(asked, { count: KINDS, length: BATCH }).map(toBytes),
});

/** `tokens`: of an enforcement point of each organisation. */
export const authzenQuestions = (asked, tokens) =>
  inWords(asked, (requests) => evaluationsOf(requests, tokens[requests[0].subject.organisation]));

/** The bytes of a question, or of several in one, in AuthZEN's words. */
export function evaluationsOf(requests, token) {
  const headers = { authorization: `Bearer ${token}` };
  const evaluations = requests.map(evaluationOf);
  return requests.length === 1
    ? postOf({ path: '/access/v1/evaluation', headers, body: evaluations[0] })
    : postOf({ path: '/access/v1/evaluations', headers, body: { evaluations } });
}

function evaluationOf({ subject: { sub, roles, attributes }, action, resource, context }) {
  return {
    subject: { type: 'user', id: sub, properties: { ...attributes, roles } },
    action: { name: action },
    resource,
    context,
  };
}

/** With the keys of the rules that may cover each question worked out by who asks, which spares the peer that work. */
export function keyedQuestions(asked) {
  const inputOf = ({ subject: { organisation, roles, attributes }, action, resource, context }) => {
    const path = `/models/${resource.id}`;
    const folder = path.slice(0, path.lastIndexOf('/'));
    return { organisation, roles, attributes, action, context, keys: [path, `${folder}/*`, `${folder}/**`] };
  };
  return inWords(asked, (requests) =>
    requests.length === 1
      ? postOf({ path: '/v1/data/authz/allow', body: { input: inputOf(requests[0]) } })
      : postOf({ path: '/v1/data/authz/answers', body: { input: { questions: requests.map(inputOf) } } }),
  );
}

/** The filters of ListRuns, checked. */
import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { RunsPage } from '../adapters/sql-run-views.js';
import { pageOf } from './page.js';
import { runStateOf } from './to-proto.js';

/** The contract's limit. */
const maxLabels = 8;

export function runsPageOf(request: schedulerV1.ListRunsRequest, organisation: string): RunsPage {
  const { labels, createdAfter, createdBefore, scheduleId } = request;
  if (Object.keys(labels).length > maxLabels)
    throw new CogmeshError('invalid_argument', `runs are found by at most ${maxLabels} labels`);
  return {
    organisation,
    ...pageOf(request.page),
    state: runStateOf(request.state),
    labels,
    createdAfter: createdAfter && timestampMs(createdAfter),
    createdBefore: createdBefore && timestampMs(createdBefore),
    scheduleId: scheduleId === '' ? undefined : scheduleId,
  };
}

/** How slots are added and taken away, as the operator sets it. Part of the scheduler's configuration. */
import { z } from 'zod';
import { integer, setting, text, type ConfigDefinition, type ConfigOf } from '@cogmesh/config';
import { defaultPoolSettings as defaults, type PoolSettings } from '@cogmesh/scheduling-core';

const hourMs = 3_600_000;
const duration = (fallback: number) => integer({ min: 0, max: 24 * hourMs, default: fallback });
const percent = (fallback: number) => integer({ min: 1, max: 100, default: Math.round(fallback * 100) });

export const poolSettings = {
  poolMode: setting(
    'COGMESH_POOL_MODE',
    z.enum(['fixed', 'dynamic']).default('fixed'),
    '`fixed`: agents keep the slots they start with. `dynamic`: a capability gets more while its work waits too long or its hosts are too busy, and gives them back.',
  ),
  poolFile: setting(
    'COGMESH_POOL_FILE',
    text(''),
    'JSON file that names agents which may be started elsewhere: local processes or a Deployment of Kubernetes; see docs/guides/scheduling.md. None when empty.',
  ),
  poolLookMs: setting(
    'COGMESH_POOL_LOOK_MS',
    integer({ min: 50, max: 60_000, default: 1_000 }),
    'How often growth and shrinking are decided on, milliseconds.',
  ),
  poolCpuPercent: setting(
    'COGMESH_POOL_CPU_PERCENT',
    percent(defaults.cpuThreshold),
    'Mean processor use of the hosts of a capability above which it grows on other hosts, and above which no slots are added on a host.',
  ),
  poolCpuForMs: setting(
    'COGMESH_POOL_CPU_FOR_MS',
    duration(defaults.cpuForMs),
    'How long the processors must be above that, with all slots busy, milliseconds.',
  ),
  poolWaitTargetMs: setting(
    'COGMESH_POOL_WAIT_TARGET_MS',
    duration(defaults.waitTargetMs),
    'How long the next task in order may wait for a slot before its capability grows, milliseconds.',
  ),
  poolWaitForMs: setting(
    'COGMESH_POOL_WAIT_FOR_MS',
    duration(defaults.waitForMs),
    'How long waits must be above the target, milliseconds.',
  ),
  poolCooldownMs: setting(
    'COGMESH_POOL_COOLDOWN_MS',
    duration(defaults.cooldownMs),
    'Least time between two changes of one capability, milliseconds.',
  ),
  poolStabilisationMs: setting(
    'COGMESH_POOL_STABILISATION_MS',
    duration(defaults.stabilisationMs),
    'A capability shrinks to the most it needed in this time, milliseconds; a scheduler that has just started takes nothing away before. Also how long nothing grows after growth that lost throughput.',
  ),
  poolMaxStep: setting(
    'COGMESH_POOL_MAX_STEP',
    integer({ min: 1, max: 1_000, default: defaults.maxStep }),
    'Slots that one change adds or takes away at most.',
  ),
  poolSameHostMaxSlots: setting(
    'COGMESH_POOL_SAME_HOST_MAX_SLOTS',
    integer({ min: 1, max: 1_000, default: defaults.sameHostMaxSlots }),
    'Slots of one agent and capability at most, whatever the agent would take.',
  ),
  poolWaitingCpuPercent: setting(
    'COGMESH_POOL_WAITING_CPU_PERCENT',
    percent(defaults.waitingCpuPerSlot),
    'Work that uses less than this of a core per busy slot counts as waiting, unless its author says what it is. Only such work gets more slots on its host.',
  ),
  poolStartPatienceMs: setting(
    'COGMESH_POOL_START_PATIENCE_MS',
    duration(defaults.startPatienceMs),
    'How long slots that were asked for may take to appear before more are asked for, milliseconds.',
  ),
  poolSettleMs: setting(
    'COGMESH_POOL_SETTLE_MS',
    duration(defaults.settleMs),
    'How long throughput is measured after growth, milliseconds; growth that lowered it is taken back.',
  ),
  poolLossPercent: setting(
    'COGMESH_POOL_LOSS_PERCENT',
    percent(defaults.lossTolerance),
    'Loss of throughput that growth may bring before it is taken back.',
  ),
};

export type PoolConfig = ConfigOf<ConfigDefinition<typeof poolSettings>>;

export function policySettings(config: PoolConfig): PoolSettings {
  return {
    cpuThreshold: config.poolCpuPercent / 100,
    cpuForMs: config.poolCpuForMs,
    waitTargetMs: config.poolWaitTargetMs,
    waitForMs: config.poolWaitForMs,
    cooldownMs: config.poolCooldownMs,
    stabilisationMs: config.poolStabilisationMs,
    maxStep: config.poolMaxStep,
    sameHostMaxSlots: config.poolSameHostMaxSlots,
    waitingCpuPerSlot: config.poolWaitingCpuPercent / 100,
    startPatienceMs: config.poolStartPatienceMs,
    settleMs: config.poolSettleMs,
    lossTolerance: config.poolLossPercent / 100,
  };
}

/**
 * Who may do what at the broker. One user per service, each with the least that its work needs: configure = declare and
 * delete, write = publish to an exchange or bind a queue, read = consume or bind to an exchange.
 *
 * A message addressed to a queue travels through the default exchange (`amq.default`), and its write permission cannot be
 * narrowed to some queues. So the broker also vouches for the sender (validated user-id), and consumers check it.
 * `deploy/rabbitmq/README.md` explains each line.
 */
export interface BrokerUser {
  readonly name: string;
  /** Regular expressions on names of queues and exchanges; the empty string matches nothing. */
  readonly configure: string;
  readonly write: string;
  readonly read: string;
  /** Management tags; the services need none. */
  readonly tags?: readonly string[];
}

const work = String.raw`agent\..*|inference_tasks\..*`;

/** The users of a Cogmesh cluster. */
export const serviceUsers: readonly BrokerUser[] = [
  {
    name: 'scheduler',
    configure: String.raw`^(scheduler\..*|cogmesh\.work|${work})$`,
    write: String.raw`^(amq\.default|scheduler\..*|cogmesh\.work|${work})$`,
    read: String.raw`^(scheduler\..*|registry\.events|policy\.events|cogmesh\.work|${work})$`,
  },
  {
    name: 'registry',
    configure: String.raw`^(registry\..*|${work})$`,
    write: String.raw`^(amq\.default|registry\..*|${work})$`,
    read: String.raw`^(registry\..*|scheduler\.events|policy\.events|cogmesh\.work|${work})$`,
  },
  {
    name: 'worker',
    configure: String.raw`^(worker\..*|${work})$`,
    write: String.raw`^(amq\.default|worker\..*|${work})$`,
    read: String.raw`^(worker\..*|scheduler\.events|registry\.events|policy\.events|cogmesh\.work|${work})$`,
  },
  {
    name: 'policy',
    configure: String.raw`^policy\..*$`,
    write: String.raw`^policy\..*$`,
    read: String.raw`^policy\..*$`,
  },
  {
    name: 'gateway',
    configure: String.raw`^gateway\..*$`,
    write: String.raw`^gateway\..*$`,
    read: String.raw`^(gateway\..*|scheduler\.events|registry\.events|policy\.events)$`,
  },
  {
    name: 'sidecar',
    configure: String.raw`^sidecar\..*$`,
    write: String.raw`^sidecar\..*$`,
    read: String.raw`^(sidecar\..*|policy\.events)$`,
  },
];

/** Exchanges that exist before any service starts, so that a consumer can bind to its neighbour's. */
export const standardExchanges = [
  { name: 'scheduler.events', type: 'topic' },
  { name: 'registry.events', type: 'topic' },
  { name: 'policy.events', type: 'topic' },
  { name: 'cogmesh.work', type: 'direct' },
] as const;

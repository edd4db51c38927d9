// The shapes of REST v1, as /openapi.json describes them. Times are RFC 3339 in UTC, but those whose name ends
// in `_ms`: Unix milliseconds. A score of 1.0 is the threshold. Missing numbers are null.

export type Permission =
  | "read" | "ingest" | "detect" | "decide" | "train" | "publish" | "configure" | "keys" | "audit";
export const ROLES = ["viewer", "operator", "engineer", "admin"] as const;
export type Role = (typeof ROLES)[number];

export interface WhoAmI {
  name: string;
  role: Role;
  permissions: Permission[];
  auth: "keys" | "none";
  version: string;
}

/** What every error of the server says. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  request_id?: string;
  mistakes?: Mistake[];
}

export const STATES = ["event", "silent", "warming", "normal"] as const;
export type State = (typeof STATES)[number];

export interface Status {
  version: string;
  is_ready: boolean;
  uptime_s: number;
  started_at: string;
  devices: { total: number } & Record<State, number>;
  samples: { accepted: number; duplicate: number; late: number; quarantined: number; judged: number };
  lag_p50_s: number | null;
  lag_p99_s: number | null;
  waiting_batches: number;
  failed_commits: number;
  events_open: number;
  models: string[];
  memory_bytes: number | null;
}

export interface Device {
  device: string;
  /** `null`: none has judged it yet. */
  model: string | null;
  state: State;
  last_time: string | null;
  last_seen: string | null;
  score: number | null;
  worst: { score: number | null; time: string } | null;
  /** Highest score in each of 60 slots, oldest first. */
  sparkline: (number | null)[];
  open_event: string | null;
}

export interface DeviceFacts extends Device {
  channels: string[];
  first_time: string | null;
}

export type DeviceOrder = "worst" | "name" | "recent";

export interface Devices {
  devices: Device[];
  next: string | null;
  total: number;
}

/** One number for each bucket of time. */
export type Numbers = (number | null)[];

export interface ChannelHistory {
  channel: string;
  min: Numbers;
  max: Numbers;
  expected: Numbers | null;
  lower: Numbers | null;
  upper: Numbers | null;
}

export interface History {
  device: string;
  model: string | null;
  from: string | null;
  to: string | null;
  n_samples: number;
  is_decimated: boolean;
  time_ms: number[];
  score: { min: Numbers; max: Numbers };
  channels: ChannelHistory[];
  events: Event[];
}

/** Judged samples as they come. */
export interface Rows {
  device: string;
  channels: string[];
  time_ms: number[];
  score: Numbers;
  /** By channel, then by time. */
  values: Numbers[];
}

export const VERDICTS = ["false-alarm", "real", "maintenance", "new-normal"] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface EventChannel {
  channel: string;
  /** Part of the score, in [0, 1]. */
  share: number | null;
  actual: number | null;
  expected: number | null;
}

export interface EventAlert {
  id: string;
  state: "pending" | "firing" | "acknowledged" | "resolved";
  acknowledged_by: string | null;
  acknowledged_at: string | null;
  suppressed_by: string | null;
}

export interface Event {
  id: string;
  device: string;
  model: string;
  start: string;
  end: string;
  peak_time: string;
  peak_score: number | null;
  /** In [0, 100]. */
  severity: number;
  n_samples: number;
  is_open: boolean;
  /** What kind of trouble it is, so far; null for events from before kinds were kept. */
  kind: string | null;
  /** Whether one sensor or the device is at fault, as far as that is known. */
  fault: "sensor" | "device" | null;
  /** How far the members of the model agree, in [0, 1]. */
  confidence: number | null;
  /** Largest share first; shares sum to 1. */
  channels: EventChannel[];
  /** In the order of the model, and last the training ranges. */
  members: { member: string; share: number | null }[];
  alert: EventAlert | null;
  verdict: Verdict | null;
}

export interface EventFacts extends Event {
  /** Who moved first. */
  onset: { channel: string; time: string }[];
  feedback: { verdict: Verdict; note: string; made_by: string; made_at: string }[];
}

export interface Anomalies {
  anomalies: Event[];
  next: string | null;
}

export interface Version {
  version: number;
  created_at: string;
  aliases: string[];
  architecture: string | null;
  size_bytes: number;
  sha256: string;
  is_in_service: boolean;
}

export interface Model {
  name: string;
  champion: number;
  versions: Version[];
  history: {
    at: string;
    action: "publish" | "promote" | "rollback";
    from: number | null;
    to: number;
    reason: string;
    by: string;
  }[];
}

export interface Epoch {
  epoch: number;
  train_loss: number | null;
  val_loss: number | null;
}

export interface VersionFacts {
  name: string;
  version: number;
  channels: string[];
  window_len: number;
  cadence_s: number;
  architecture: string;
  encoder: number[];
  decoder: number[];
  n_weights: number;
  threshold: number;
  alarm_budget: string | null;
  trained: { at: string; n_rows: number; from: string | null; to: string | null };
  epochs: Epoch[];
}

export interface TrainRequest {
  name: string;
  devices: string[];
  from: string | null;
  to: string | null;
  epochs: number | null;
  window: number | null;
  alarm_budget: string | null;
  seed: number | null;
}

export interface Job {
  id: string;
  kind: "train";
  state: "waiting" | "running" | "done" | "failed" | "cancelled";
  name: string;
  made_by: string;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  epoch: number;
  /** `null` before the first. */
  epochs: number | null;
  loss: Epoch[];
  model: string | null;
  error: string | null;
}

export interface ChannelDrift {
  channel: string;
  psi: number | null;
  ks: number | null;
  p_value: number | null;
  q_value: number | null;
  wasserstein: number | null;
  n_effective: number | null;
  /** How much more often the channel is missing, in [0, 1]. */
  missing_rise: number | null;
  /** The chance of that where nothing has changed, corrected for the number of channels. */
  missing_q_value: number | null;
  severity: "none" | "low" | "medium" | "high" | "critical";
  is_drift: boolean;
}

export interface Drift {
  model: string;
  from: string | null;
  to: string | null;
  n_rows: number;
  devices: string[];
  /** There were enough samples to say whether anything moved. */
  is_judged: boolean;
  is_drift: boolean;
  advice: string;
  channels: ChannelDrift[];
  /** Channels of the training that are not sent any more. */
  missing_channels: string[];
  /** The scores against those of held-out rows of the training. */
  scores: ChannelDrift | null;
  joint: { correlation_change: number | null; pair: string[]; is_drift: boolean; share_of_channels: number } | null;
}

/** A mistake in a configuration, with its place. */
export interface Mistake {
  line: number | null;
  column: number | null;
  key: string | null;
  what: string;
}

export interface Config {
  /** What is in force, defaults included. */
  toml: string;
  /** The file as it stands; `null`: there is none, and nothing can be changed. */
  file: string | null;
  needs_restart: string[];
}

export interface Key {
  id: string;
  name: string;
  role: Role;
  scopes: Permission[] | null;
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
}

export interface AuditEntry {
  n: number;
  at: string;
  actor: string;
  action: string;
  subject: string;
  detail: string;
}

export interface Audit {
  entries: AuditEntry[];
  next: string | null;
  is_intact: boolean;
  /** What is wrong with it, and from which entry on. */
  fault: string | null;
}

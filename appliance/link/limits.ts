// Every number of the link that is not a layout. The README lists them; a test compares.

/** Handshake and ATTACH each. */
export const HANDSHAKE_MS = 10_000;
/** Handshakes of one session that did not finish; then it is locked. */
export const MAX_UNFINISHED_HANDSHAKES = 5;
/** Difference allowed between the appliance's clock and ours. */
export const CLOCK_SKEW_MS = 30_000;

export const REKEY_RECORDS = 2 ** 22;
export const REKEY_MS = 60 * 60 * 1000;
/** Reaching one of these ends the link. */
export const LAST_EPOCH = 255;
export const LAST_SEQ = 2 ** 40;

/** An ACK is due after this much … */
export const ACK_BYTES = 64 * 1024;
/** … or after this long, */
export const ACK_MS = 50;
/** and never sooner after the last one: 64 MiB/s would otherwise be 1024 control frames a second. */
export const ACK_SPACING_MS = 20;
/** Records sent and not acknowledged; then sources are not read. */
export const UNACKNOWLEDGED_BYTES = { browser: 8 * 2 ** 20, node: 16 * 2 ** 20 } as const;
/** Records held because an earlier one is missing: the largest window of a peer. */
export const MAX_HELD_BYTES = 16 * 2 ** 20 + 2 ** 20;
/** Bytes given to a path and not yet on their way, above which nothing more is given, so that priority works. */
export const MAX_PATH_UNSENT_BYTES = 256 * 1024;
/** Control frames go all the same; a path that has piled up this much is one nobody reads, and ends. */
export const MAX_PATH_BACKLOG_BYTES = 1024 * 1024;

export const MAX_STREAMS = 32;
export const STREAM_CREDIT_BYTES = 256 * 1024;
export const FILES_CREDIT_BYTES = 1024 * 1024;
export const MAX_MESSAGE_BYTES = 1024 * 1024;
/** What one stream may have queued for sending; more is a mistake of the caller, who was told to wait. */
export const MAX_STREAM_QUEUE_BYTES = 4 * 1024 * 1024;
/** OPEN and RESET that wait; a peer that makes us reset its streams and never reads ends the link. */
export const MAX_URGENT_FRAMES = 4096;
/** Deficit round robin between streams of one priority. */
export const QUANTUM_BYTES = 16 * 1024;

export const MAX_BYTES_PER_SECOND = 64 * 2 ** 20;
/** A sender stays below what its peer refuses. */
export const SEND_BYTES_PER_SECOND = 60 * 2 ** 20;
export const MAX_CONTROL_FRAMES_PER_SECOND = 200;
/** What a stalled path may deliver at once. */
export const CONTROL_FRAME_BURST = 400;

export const PING_MS = 200;
/** A path is dead after the larger of this and three round trips without a word. */
export const DEAD_MS = 600;
export const DEAD_ROUND_TRIPS = 3;
/** The same for a path whose round trip nobody knows yet. */
export const DEAD_UNPROVEN_MS = 3000;
/** Paths attached at one time. */
export const MAX_ATTACHMENTS = 8;
/** Changes of path by choice; a lost path is always left. */
export const MAX_SWITCHES_PER_MINUTE = 6;
/** Pings a direct path must answer no slower than the relay before it takes over. */
export const PROVING_PINGS = 3;
/** A link without a path lives this long. */
export const DETACHED_MS = 5 * 60 * 1000;
/** Bytes of a path nobody reads yet. */
export const MAX_UNREAD_BYTES = 1024 * 1024;

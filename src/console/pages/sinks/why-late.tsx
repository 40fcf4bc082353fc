/** Why records are late: what a sink does with what waits for it, in one place. */
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Link } from "wouter";
import { type Sink, Sink_State as State } from "#gen/tributary/management/v1/sink_pb.js";
import { span, whole } from "../../parts/figures.ts";
import { Time } from "../../parts/time.tsx";
import { useRates } from "../stream/use-rates.ts";

/** Looks whose mean is the rate: delivery counts every 2 s, and the page looks more often. */
const LOOKS = 10;

/** A sink as it was at a look at `at`, in milliseconds since 1970. */
export function WhyLate({ sink, at }: { readonly sink: Sink; readonly at: number }) {
  const { counts, lag, nextAttemptTime } = sink.status ?? {};
  const pushed = Number(counts?.pushed ?? 0n);
  const pending = Number(counts?.pending ?? 0n);
  const { data } = useRates(at, pushed, pushed - pending);
  const [, incoming = [], outgoing = []] = data;
  const [perSecondIn, perSecondOut] = [mean(incoming), mean(outgoing)];
  if (pending === 0) return <p role="status">Nothing waits: it is up to date.</p>;
  return (
    <div role="status" className="stack">
      <p>
        <strong>
          {whole(counts?.pending)} {pending === 1 ? "record waits" : "records wait"}
        </strong>
        {lag && `, the oldest for ${span(durationMs(lag))}`}: <Cause sink={sink} />
        {nextAttemptTime && (
          <>
            {" "}
            The next attempt is due <Time at={nextAttemptTime} />.
          </>
        )}
      </p>
      <p className="quiet">
        Now {perSecond(perSecondIn)} come in and {perSecond(perSecondOut)} go out.{" "}
        {sink.status?.state === State.RUNNING &&
          outlook(pending, perSecondOut - perSecondIn, data[0].length)}
      </p>
    </div>
  );
}

function Cause({ sink: { name, status } }: { readonly sink: Sink }) {
  const { state, cause, reason, staging } = status ?? {};
  if (state === State.PAUSED) return "the sink is paused. Resume it to go on.";
  if (cause) return `${cause}${reason ? ` (${reason})` : ""}.`;
  if (state === State.PENDING) return "the sink has not started yet.";
  if ((staging?.rows ?? 0n) > 0n) {
    return `${whole(staging?.rows)} of them are staged, and are imported when a condition below is met.`;
  }
  return (
    <>
      no request has failed. See the{" "}
      <Link href={`/${name}/deliveries`}>times that its requests take</Link>.
    </>
  );
}

/** When it has caught up, if that goes on. */
function outlook(pending: number, net: number, looks: number): string {
  if (looks < LOOKS) return "";
  if (net > 0) return `At this rate it has caught up in ${span((pending / net) * 1_000)}.`;
  return "It does not catch up at this rate: let it send more at once (pace, batching), or make the destination faster.";
}

function perSecond(rate: number): string {
  return `${rate.toLocaleString(undefined, { maximumFractionDigits: rate < 10 ? 1 : 0 })} a second`;
}

function mean(rates: readonly number[]): number {
  const last = rates.slice(-LOOKS);
  return last.length === 0 ? 0 : last.reduce((sum, rate) => sum + rate, 0) / last.length;
}

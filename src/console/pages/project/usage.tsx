/** What a project has taken, and its balance. */
import { useQuery } from "@connectrpc/connect-query";
import type { UsageTotals } from "#gen/tributary/management/v1/usage_pb.js";
import { UsageService } from "#gen/tributary/management/v1/usage_service_pb.js";
import { bytes, money, whole } from "../../parts/figures.ts";
import { Loaded } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { AccountLines, BalancePolicy } from "./account-lines.tsx";

/** The part "Usage". */
export default function Usage({ project }: { readonly project: string }) {
  const usage = useQuery(UsageService.method.getUsage, { name: project });
  const balance = useQuery(UsageService.method.getBalance, { name: project });
  return (
    <>
      <section className="card stack" aria-labelledby="balance-title">
        <h2 id="balance-title">Balance</h2>
        <Loaded query={balance}>
          {(answer) => (
            <>
              <dl>
                <dt>Credited</dt>
                <dd>{money(answer.balance?.creditedMicros)}</dd>
                <dt>Refunded</dt>
                <dd>{money(answer.balance?.refundedMicros)}</dd>
                <dt>Used</dt>
                <dd>{money(answer.balance?.used?.chargeMicros)}</dd>
                <dt>Left</dt>
                <dd>{money(answer.balance?.balanceMicros)}</dd>
                <dt>When it is used up</dt>
                <dd>{answer.balance?.stopWhenUsed ? "pushes are refused" : "pushes go on"}</dd>
              </dl>
              <BalancePolicy project={project} balance={answer.balance} />
            </>
          )}
        </Loaded>
      </section>
      <AccountLines project={project} />
      <Loaded query={usage}>
        {({ days, streams }) => (
          <>
            <Totals
              title="By stream"
              rows={streams.map(({ stream, totals }) => [stream, totals] as const)}
            />
            <Totals title="By day" rows={days.map(({ day, totals }) => [day, totals] as const)} />
          </>
        )}
      </Loaded>
    </>
  );
}

function Totals(props: {
  readonly title: string;
  readonly rows: readonly (readonly [string, UsageTotals | undefined])[];
}) {
  const id = props.title.replace(/\W/g, "-");
  return (
    <section className="card stack" aria-labelledby={id}>
      <h2 id={id}>{props.title}</h2>
      {props.rows.length === 0 ? (
        <p>Nothing was pushed yet.</p>
      ) : (
        <PlainTable titles={[props.title, "Records", "Size", "Without authentication", "Charge"]}>
          {props.rows.map(([name, totals]) => (
            <tr key={name}>
              <td>{name}</td>
              <td>{whole(totals?.records)}</td>
              <td>{bytes(totals?.bytes)}</td>
              <td>{whole(totals?.unauthenticatedRecords)}</td>
              <td>{money(totals?.chargeMicros)}</td>
            </tr>
          ))}
        </PlainTable>
      )}
    </section>
  );
}

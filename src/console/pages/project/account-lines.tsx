/** The account of a project: its lines, and what happens when nothing is left. */
import { createClient } from "@connectrpc/connect";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import {
  type Balance,
  LedgerEntry_Kind as Kind,
  type LedgerEntry,
} from "#gen/tributary/management/v1/usage_pb.js";
import { UsageService } from "#gen/tributary/management/v1/usage_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { transport } from "../../api/transport.ts";
import { money, whole } from "../../parts/figures.ts";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { Time } from "../../parts/time.tsx";

const usages = createClient(UsageService, transport);

const KINDS: Readonly<{ [K in Kind]: string }> = {
  [Kind.KIND_UNSPECIFIED]: "",
  [Kind.CREDIT]: "Credit",
  [Kind.CHARGE]: "Charge",
  [Kind.REFUND]: "Refund",
};

/** Whether pushes stop when the balance is used up; owners may change it. */
export function BalancePolicy(props: {
  readonly project: string;
  readonly balance: Balance | undefined;
}) {
  const { project, balance } = props;
  const queries = useQueryClient();
  const stops = balance?.stopWhenUsed ?? false;
  return (
    <div>
      <ActionButton
        label={stops ? "Let pushes go on" : "Refuse pushes when the balance is used up"}
        call={async () => {
          await usages.updateBalancePolicy({ project, stopWhenUsed: !stops });
          await queries.invalidateQueries();
        }}
      />
    </div>
  );
}

/** Credits, charges and refunds, newest first. */
export function AccountLines({ project }: { readonly project: string }) {
  const query = useInfiniteQuery(UsageService.method.listLedger, { project, pageToken: "" }, PAGES);
  return (
    <section className="card stack" aria-labelledby="lines-title">
      <h2 id="lines-title">Credits, charges and refunds</h2>
      <Loaded query={query}>
        {({ pages }) => {
          const entries = pages.flatMap((page) => page.entries);
          return entries.length === 0 ? <p>None so far.</p> : <Lines entries={entries} />;
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function Lines({ entries }: { readonly entries: readonly LedgerEntry[] }) {
  return (
    <PlainTable titles={["When", "What", "Amount", "Stream", "Day", "Records", "Note"]}>
      {entries.map((entry) => (
        <tr key={entry.uid}>
          <td>
            <Time at={entry.createTime} />
          </td>
          <td>{KINDS[entry.kind]}</td>
          <td>{money(entry.amountMicros)}</td>
          <td>{entry.stream}</td>
          <td>{entry.day}</td>
          <td>{entry.records > 0n && whole(entry.records)}</td>
          <td>
            {entry.note}
            {entry.principal && <p className="quiet">by {entry.principal}</p>}
          </td>
        </tr>
      ))}
    </PlainTable>
  );
}

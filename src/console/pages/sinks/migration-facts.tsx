/** A migration with what it proves. */
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import type { Migration, MigrationReport } from "#gen/tributary/management/v1/migration_pb.js";
import { isUnderWay, tasks } from "../../api/tasks.ts";
import { whole } from "../../parts/figures.ts";
import { ActionButton } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { TaskBadge } from "../../parts/progress.tsx";
import { Time } from "../../parts/time.tsx";

/** State, sequence and report. */
export function MigrationFacts({ migration }: { readonly migration: Migration }) {
  const queries = useQueryClient();
  const { state, target, sequence, waiting, error, report, task } = migration;
  const cancel = async () => {
    await tasks.cancelTask({ name: task });
    await queries.invalidateQueries();
  };
  return (
    <>
      <h3>
        <TaskBadge state={state} /> <Time at={migration.createTime} />
      </h3>
      {target && (
        <p>
          To <Link href={`/${target}`}>{target.slice(target.lastIndexOf("/") + 1)}</Link>
          {sequence > 0n && ` from sequence ${sequence} on`}
        </p>
      )}
      {waiting && <p className="quiet">{waiting}</p>}
      {error && <p className="fault">{error}</p>}
      {report && <Report report={report} />}
      {isUnderWay(state) && (
        <div>
          <ActionButton label="Cancel" call={cancel} />
        </div>
      )}
    </>
  );
}

function Report({ report }: { readonly report: MigrationReport }) {
  return (
    <>
      <Note kind={report.complete && report.missing === 0n ? "good" : "warn"}>
        {report.complete
          ? `${whole(report.missing)} records of the log are in neither ledger.`
          : "The log does not reach back to the old sink's start any more, so nothing can be proved of what is gone."}
      </Note>
      <p>
        {whole(report.sourceRecords)} records were the old sink's, {whole(report.targetRecords)} the
        new one's.
      </p>
      <details>
        <summary>By partition, with hashes of the ids</summary>
        <PlainTable titles={["Partition", "Old sink", "New sink"]}>
          {report.partitions.map((each) => (
            <tr key={each.partition}>
              <th scope="row">{each.partition}</th>
              <td>
                {whole(each.sourceRecords)} <code>{each.sourceHash}</code>
              </td>
              <td>
                {whole(each.targetRecords)} <code>{each.targetHash}</code>
              </td>
            </tr>
          ))}
        </PlainTable>
      </details>
    </>
  );
}

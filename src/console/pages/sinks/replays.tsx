/** Delivers stored records to a sink again, and shows the replays there were. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import type { Replay } from "#gen/tributary/management/v1/replay_pb.js";
import { ReplayService } from "#gen/tributary/management/v1/replay_service_pb.js";
import { isUnderWay, tasks } from "../../api/tasks.ts";
import { whole } from "../../parts/figures.ts";
import { ActionButton } from "../../parts/form.tsx";
import { Progress, TaskBadge } from "../../parts/progress.tsx";
import { TASK_PAGES, TaskList } from "../../parts/task-list.tsx";
import { Time } from "../../parts/time.tsx";
import { ReplayForm } from "./replay-form.tsx";
import type { SinkPart } from "./sink-details.tsx";

/** The part "Replay". */
export default function Replays({ sink: { name } }: SinkPart) {
  const query = useInfiniteQuery(
    ReplayService.method.listReplays,
    { parent: name, pageToken: "" },
    TASK_PAGES,
  );
  return (
    <>
      <ReplayForm sink={name} />
      <TaskList title="Replays" query={query} itemsOf={(page) => page.replays}>
        {(replay) => <ReplayFacts replay={replay} />}
      </TaskList>
    </>
  );
}

function ReplayFacts({ replay }: { readonly replay: Replay }) {
  const queries = useQueryClient();
  const { delivered, filtered, refused, selected, selectedExact } = replay;
  const cancel = async () => {
    await tasks.cancelTask({ name: replay.task });
    await queries.invalidateQueries();
  };
  return (
    <>
      <h3>
        <TaskBadge state={replay.state} /> <Time at={replay.createTime} />
      </h3>
      <Progress
        what="Records of the replay"
        done={delivered + filtered + refused}
        total={selectedExact ? selected : undefined}
      />
      <p>
        {whole(delivered)} delivered, {whole(filtered)} filtered, {whole(refused)} refused
      </p>
      {replay.waiting && <p className="quiet">Waits: {replay.waiting}</p>}
      {replay.error && <p className="fault">{replay.error}</p>}
      {replay.refusals.length > 0 && (
        <details>
          <summary>The first that were refused</summary>
          <ul>
            {replay.refusals.map(({ place, reason, error }) => (
              <li key={place}>
                <code>{place}</code>: {error} ({reason})
              </li>
            ))}
          </ul>
        </details>
      )}
      {isUnderWay(replay.state) && (
        <div>
          <ActionButton label="Cancel" call={cancel} />
        </div>
      )}
    </>
  );
}

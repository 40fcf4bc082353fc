/** The long work of a project: what is under way, what came of it, and how it is ended. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import {
  Task_Kind as Kind,
  Task_State as State,
  type Task,
} from "#gen/tributary/management/v1/task_pb.js";
import { TaskService } from "#gen/tributary/management/v1/task_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { isUnderWay, tasks } from "../../api/tasks.ts";
import { bytes, whole } from "../../parts/figures.ts";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton, refreshEvery } from "../../parts/more.tsx";
import { Empty, Loaded } from "../../parts/note.tsx";
import { Progress, TaskBadge } from "../../parts/progress.tsx";
import { Time } from "../../parts/time.tsx";
import { VirtualList } from "../../parts/virtual-list.tsx";

const REFRESH_MS = 2_000;
const HEIGHT_OF_ONE = 150;

/** What each kind does, in words, and the page of its resource where the outcome is seen. */
const KINDS: Readonly<{ [K in Kind]: readonly [string, string] }> = {
  [Kind.KIND_UNSPECIFIED]: ["Work", ""],
  [Kind.COPY_BRANCH]: ["Copy records into a branch", ""],
  [Kind.REPLAY]: ["Replay records to a sink", "/replays"],
  [Kind.MIGRATE]: ["Move a stream to another sink", "/migrations"],
  [Kind.CREATE_SINK]: ["Try a destination, and make the sink", ""],
  [Kind.UPDATE_SINK]: ["Try a destination, and change the sink", ""],
};

/** The part "Tasks". */
export default function Tasks({ project }: { readonly project: string }) {
  const query = useInfiniteQuery(
    TaskService.method.listTasks,
    { parent: project, pageToken: "" },
    {
      ...PAGES,
      refetchInterval: refreshEvery(REFRESH_MS),
    },
  );
  return (
    <>
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.tasks);
          if (all.length === 0) {
            return (
              <Empty title="No task yet">
                <p>
                  Work that takes longer than a call is listed here: replays, migrations, copies of
                  branches, and sinks that are made in the background. A task is kept for 30 days
                  after its end.
                </p>
              </Empty>
            );
          }
          return (
            <VirtualList
              label="Tasks, newest first"
              items={all}
              keyOf={nameOf}
              heightOfOne={HEIGHT_OF_ONE}
              more={query}
            >
              {(task) => <TaskFacts task={task} project={project} />}
            </VirtualList>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}

const nameOf = ({ name }: Task) => name;

function TaskFacts({ task, project }: { readonly task: Task; readonly project: string }) {
  const { kind, state, attempts } = task;
  const [title] = KINDS[kind];
  return (
    <article className="card stack">
      <h2>
        {title} <TaskBadge state={state} />
      </h2>
      <p>
        <Outcome task={task} project={project} />
      </p>
      <Done task={task} />
      {task.error && (
        <p className={state === State.PENDING ? "quiet" : "fault"}>
          {state === State.PENDING && "It is tried again. The last attempt failed: "}
          {task.error}
        </p>
      )}
      <p className="quiet">
        Asked for <Time at={task.createTime} />
        {task.startTime && (
          <>
            , begun <Time at={task.startTime} />
          </>
        )}
        {task.endTime && (
          <>
            , ended <Time at={task.endTime} />
          </>
        )}
        {attempts > 1 && `; ${attempts} attempts since it last came forward`}
      </p>
      {isUnderWay(state) && <Cancel task={task} title={title} />}
    </article>
  );
}

/** What it makes or changes. A sink whose making failed does not exist, so there is nothing to go to. */
function Outcome({ task, project }: { readonly task: Task; readonly project: string }) {
  const { kind, state, resource } = task;
  const text = resource.replace(`${project}/`, "");
  const isMissing = kind === Kind.CREATE_SINK && state !== State.SUCCEEDED;
  if (isMissing) return <code>{text}</code>;
  return <Link href={`/${resource}${KINDS[kind][1]}`}>{text}</Link>;
}

/** How far it is. Making a sink counts nothing. */
function Done({ task: { kind, state, done, total } }: { readonly task: Task }) {
  if (total === 0n && done === 0n) return null;
  const figure = kind === Kind.COPY_BRANCH ? bytes : whole;
  if (isUnderWay(state)) {
    return (
      <Progress what={KINDS[kind][0]} done={done} total={total || undefined} figure={figure} />
    );
  }
  return (
    <p>
      {figure(done)}
      {total > 0n && ` of ${figure(total)}`} {kind === Kind.COPY_BRANCH ? "copied" : "records"}
    </p>
  );
}

function Cancel({ task, title }: { readonly task: Task; readonly title: string }) {
  const queries = useQueryClient();
  if (task.cancelling) return <p role="status">It is being ended.</p>;
  return (
    <div>
      <ActionButton
        label="Cancel"
        name={`Cancel: ${title}`}
        call={async () => {
          await tasks.cancelTask({ name: task.name });
          await queries.invalidateQueries();
        }}
      />
    </div>
  );
}

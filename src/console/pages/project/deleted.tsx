/** What was deleted and can be brought back. */
import { createClient } from "@connectrpc/connect";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { type Deleted, DeletedService } from "#gen/tributary/management/v1/deleted_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { transport } from "../../api/transport.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Empty, Loaded, Note } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";

const deletedThings = createClient(DeletedService, transport);

const KINDS: Readonly<{ [part: string]: string }> = {
  streams: "Stream",
  sinks: "Sink",
  sources: "Source",
};

/** The part "Deleted". */
export default function DeletedThings({ project }: { readonly project: string }) {
  const [back, setBack] = useState("");
  const query = useInfiniteQuery(
    DeletedService.method.listDeleted,
    { parent: project, pageToken: "" },
    PAGES,
  );
  return (
    <section className="card stack" aria-labelledby="deleted-title">
      <h2 id="deleted-title">Deleted</h2>
      <p>
        What was deleted comes back as it was, with its secrets and its position, until it goes for
        good. Its name is free meanwhile: what has it then must be deleted first.
      </p>
      <div role="status">
        {back && (
          <Note kind="good">
            It is back: <Link href={`/${pageOf(back)}`}>{back}</Link>.
          </Note>
        )}
      </div>
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.deleted);
          if (all.length === 0) return <Empty title="Nothing was deleted in the last days" />;
          return (
            <ul className="stack plain">
              {all.map((each) => (
                <li className="card stack" key={each.name}>
                  <DeletedThing deleted={each} onBack={setBack} />
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

function DeletedThing(props: {
  readonly deleted: Deleted;
  readonly onBack: (resource: string) => void;
}) {
  const { name, resource, author, deleteTime, purgeTime } = props.deleted;
  const queries = useQueryClient();
  const id = resource.slice(resource.lastIndexOf("/") + 1);
  return (
    <>
      <h3>
        {KINDS[resource.split("/").at(-2) ?? ""] ?? "Resource"} {id}
      </h3>
      <p>
        <code>{resource}</code>
      </p>
      <p className="quiet">
        Deleted <Time at={deleteTime} /> by {author || "the server"}; goes for good{" "}
        <Time at={purgeTime} />
      </p>
      <div className="actions">
        <ActionButton
          label={`Bring ${id} back`}
          call={async () => {
            const answer = await deletedThings.undelete({ name });
            props.onBack(answer.resource);
            await queries.invalidateQueries();
          }}
        />
        <ConfirmButton
          label="Give up"
          name={`Give up ${id}`}
          title={`Give ${id} up for good?`}
          text="Nobody can bring it back afterwards. Its versions and secrets go as well."
          confirm="Give it up for good"
          call={async () => {
            await deletedThings.purgeDeleted({ name });
            await queries.invalidateQueries();
          }}
        />
      </div>
    </>
  );
}

/** Sources have no page of their own. */
function pageOf(resource: string): string {
  const at = resource.indexOf("/sources/");
  return at < 0 ? resource : `${resource.slice(0, at)}/sources`;
}

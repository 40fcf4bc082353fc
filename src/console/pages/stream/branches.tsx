/** The branches of a stream: separate logs with the same schema. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import type { Branch } from "#gen/tributary/management/v1/stream_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { addressOf } from "../../api/log-place.ts";
import { PAGES } from "../../api/queries.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { SelectField, TextField } from "../../parts/field.tsx";
import { bytes } from "../../parts/figures.ts";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Time } from "../../parts/time.tsx";
import { BranchPage } from "./branch.tsx";
import { BranchBadge } from "./branch-badge.tsx";
import type { StreamPart } from "./stream.tsx";
import { streams } from "./stream-draft.ts";

const REFRESH_MS = 3_000;

/** The part "Branches": the list, or one of them. */
export default function Branches(part: StreamPart) {
  const { stream, id, more, last } = part;
  if (id) return <BranchPage part={part} branch={id} at={more} id={last} />;
  return <BranchList name={stream.name} />;
}

function BranchList({ name }: { readonly name: string }) {
  const query = useInfiniteQuery(
    StreamService.method.listBranches,
    { parent: name, pageToken: "" },
    {
      ...PAGES,
      refetchInterval: REFRESH_MS,
    },
  );
  const branches = query.data?.pages.flatMap((page) => page.branches) ?? [];
  return (
    <>
      <NewBranch stream={name} branches={branches.map(idOf)} />
      <section className="card stack" aria-labelledby="branches-title">
        <h2 id="branches-title">Branches</h2>
        <Loaded query={query}>
          {() => (
            <ul className="stack plain">
              {branches.map((branch) => (
                <li className="card stack" key={branch.name}>
                  <BranchFacts branch={branch} stream={name} />
                </li>
              ))}
            </ul>
          )}
        </Loaded>
        <MoreButton query={query} />
      </section>
    </>
  );
}

function BranchFacts({ branch, stream }: { readonly branch: Branch; readonly stream: string }) {
  const queries = useQueryClient();
  const id = idOf(branch);
  return (
    <>
      <h3>
        <Link href={`${addressOf({ stream, branch: id })}/live`}>{id}</Link>{" "}
        <BranchBadge state={branch.state} />
      </h3>
      <p>
        {bytes(branch.storedBytes)} stored, sequences {String(branch.firstSequence)} to{" "}
        {String(branch.lastSequence)}; made <Time at={branch.createTime} />
        {branch.copyOf && ` with the records of ${branch.copyOf}`}
      </p>
      <p className="quiet">
        Pushes, reads, sources and sinks name it as <code>branch</code>.
      </p>
      {id !== "main" && (
        <div>
          <ConfirmButton
            label="Delete"
            name={`Delete ${id}`}
            title={`Delete the branch ${id}?`}
            text="Its records go with it. Sinks and sources of it must be deleted first."
            confirm="Delete the branch"
            call={async () => {
              await streams.deleteBranch({ name: branch.name });
              await queries.invalidateQueries();
            }}
          />
        </div>
      )}
    </>
  );
}

function NewBranch(props: { readonly stream: string; readonly branches: readonly string[] }) {
  const { stream, branches } = props;
  const queries = useQueryClient();
  const [branchId, setBranchId] = useState("");
  const [copyOf, setCopyOf] = useState("");
  const submit = useSubmit(async () => {
    await streams.createBranch({ parent: stream, branchId, copyOf });
    setBranchId("");
    await queries.invalidateQueries();
  });
  return (
    <section className="card stack" aria-labelledby="new-branch">
      <h2 id="new-branch">New branch</h2>
      <p>A branch is a log of its own with the schema of the stream, such as for tests.</p>
      <Form submit={submit} label="Make the branch">
        <div className="row">
          <TextField
            label="Id"
            hint="Lower case letters, digits and dashes."
            value={branchId}
            onChange={setBranchId}
            fault={faultAt(submit.faults, "branch_id")}
          />
          <SelectField
            label="Begin with"
            value={copyOf}
            choices={[
              ["", "No record"],
              ...branches.map((id) => [id, `The records of ${id}`] as const),
            ]}
            onChange={setCopyOf}
            fault={faultAt(submit.faults, "copy_of")}
          />
        </div>
      </Form>
    </section>
  );
}

function idOf({ name }: Branch): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** A project as the operator sees it: what it uses and may use, its credit, and whether it may go on. */
import { useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import type { ProjectOverview } from "#gen/tributary/management/v1/installation_pb.js";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { bytes, whole } from "../../parts/figures.ts";
import { ActionButton } from "../../parts/form.tsx";
import { Time } from "../../parts/time.tsx";
import { CreditForm, RefundForm } from "./credit-forms.tsx";
import { installations } from "./installations.ts";
import { QuotaForm } from "./quota-form.tsx";

/** The card. */
export function ProjectCard({ overview }: { readonly overview: ProjectOverview }) {
  const queries = useQueryClient();
  const { suspendTime, suspendReason, usage, quotas } = overview;
  const name = overview.project?.name ?? "";
  const title = overview.project?.displayName || name;
  const goOn = async () => {
    await installations.unsuspendProject({ name });
    await queries.invalidateQueries();
  };
  const suspend = async (reason: string) => {
    await installations.suspendProject({ name, reason });
    await queries.invalidateQueries();
  };
  return (
    <article className="card stack" aria-label={title}>
      <h3>
        <Link href={`/${name}`}>{title}</Link>{" "}
        {suspendTime && <span className="badge warn">Suspended</span>}
      </h3>
      {suspendTime && (
        <p>
          Since <Time at={suspendTime} />: {suspendReason || "no reason was given"}
        </p>
      )}
      <p>
        {whole(usage?.records)} records, {bytes(usage?.bytes)} in the last 30 days
      </p>
      <p className="quiet">
        {quotas
          .filter(({ used }) => used !== undefined)
          .map(
            ({ name: of, used, limit }) =>
              `${of} ${whole(used)} of ${limit ? whole(limit) : "any"}`,
          )
          .join(", ")}
      </p>
      <details>
        <summary>Quotas</summary>
        <QuotaForm project={name} quotas={quotas} />
      </details>
      <details>
        <summary>Credit and refunds</summary>
        <CreditForm project={name} />
        <RefundForm project={name} />
      </details>
      <div>
        {suspendTime ? (
          <ActionButton label="Let it go on" call={goOn} />
        ) : (
          <ConfirmButton
            label="Suspend"
            name={`Suspend ${title}`}
            title={`Suspend ${title}?`}
            text="Its pushes and changes are refused and its sinks stand still until it may go on."
            question="Why, for operators"
            confirm="Suspend it"
            call={suspend}
          />
        )}
      </div>
    </article>
  );
}

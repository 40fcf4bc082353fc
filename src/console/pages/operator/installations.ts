/** Calls of the operator. */
import { createClient } from "@connectrpc/connect";
import { InstallationService } from "#gen/tributary/management/v1/installation_service_pb.js";
import { UsageService } from "#gen/tributary/management/v1/usage_service_pb.js";
import { transport } from "../../api/transport.ts";

/** The installation and its projects. */
export const installations = createClient(InstallationService, transport);

/** Usage, credits and refunds. */
export const usages = createClient(UsageService, transport);

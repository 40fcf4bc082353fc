/** The services of our own protos. */
import { AccessService } from "#gen/tributary/management/v1/access_service_pb.js";
import { AccountService } from "#gen/tributary/management/v1/account_service_pb.js";
import { AlertService } from "#gen/tributary/management/v1/alert_service_pb.js";
import { ApplicationService } from "#gen/tributary/management/v1/application_service_pb.js";
import { AuditService } from "#gen/tributary/management/v1/audit_service_pb.js";
import { CatalogService } from "#gen/tributary/management/v1/catalog_service_pb.js";
import { DeletedService } from "#gen/tributary/management/v1/deleted_service_pb.js";
import { DeliveryService } from "#gen/tributary/management/v1/delivery_service_pb.js";
import { InstallationService } from "#gen/tributary/management/v1/installation_service_pb.js";
import { MigrationService } from "#gen/tributary/management/v1/migration_service_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { ReplayService } from "#gen/tributary/management/v1/replay_service_pb.js";
import { SinkService } from "#gen/tributary/management/v1/sink_service_pb.js";
import { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { TaskService } from "#gen/tributary/management/v1/task_service_pb.js";
import { TokenService } from "#gen/tributary/management/v1/token_service_pb.js";
import { UsageService } from "#gen/tributary/management/v1/usage_service_pb.js";
import { VersionService } from "#gen/tributary/management/v1/version_service_pb.js";
import { OAuth2Service } from "#gen/tributary/oauth2/v1/oauth2_service_pb.js";
import { PushService } from "#gen/tributary/push/v1/push_service_pb.js";
import { RecordService } from "#gen/tributary/records/v1/record_service_pb.js";

/** All of them; each rpc declares its access rule. */
export const OWN_SERVICES = [
  AccessService,
  AccountService,
  AlertService,
  ApplicationService,
  CatalogService,
  DeliveryService,
  DeletedService,
  InstallationService,
  AuditService,
  MigrationService,
  OAuth2Service,
  ProjectService,
  PushService,
  RecordService,
  ReplayService,
  SinkService,
  SourceService,
  StreamService,
  TaskService,
  UsageService,
  VersionService,
  TokenService,
];

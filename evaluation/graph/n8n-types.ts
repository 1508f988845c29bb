/**
 * The node types of n8n's two official packages, as their node lists of version 2.41 name them: which exist, which the vendor hides because
 * another node has taken their place, and the major version that a new node of a type gets. Facts of a version, so they carry one.
 */
export const N8N_TYPES_VERSION = '2.41'

function words (text: string): string[] {
  return text.split(' ')
}

const BASE: ReadonlySet<string> = new Set(words(
  'Brandfetch actionNetwork activeCampaign activeCampaignTrigger acuitySchedulingTrigger adalo affinity affinityTrigger aggregate agileCrm aiTransform ' +
  'airtable airtableTrigger airtop amqp amqpTrigger apiTemplateIo asana asanaTrigger autopilot autopilotTrigger awsCertificateManager awsCognito ' +
  'awsComprehend awsDynamoDb awsElb awsIam awsLambda awsRekognition awsS3 awsSes awsSns awsSnsTrigger awsSqs awsTextract awsTranscribe azureCosmosDb ' +
  'azureStorage bambooHr bannerbear baserow beeminder bitbucketTrigger bitly bitwarden box boxTrigger bubble calTrigger calendlyTrigger chargebee ' +
  'chargebeeTrigger circleCi ciscoWebex ciscoWebexTrigger citrixAdc clearbit clickUp clickUpTrigger clockify clockifyTrigger cloudflare cockpit coda code ' +
  'coinGecko compareDatasets compression confluence contentful convertKit convertKitTrigger convertToFile copper copperTrigger cortex crateDb cron crypto ' +
  'currents currentsTrigger customerIo customerIoTrigger dataTable databricks databricksTrigger dateTime debugHelper deepL demio dhl discord discourse ' +
  'disqus drift dropbox dropcontact dynamicCredentialCheck e2eTest e2eTestPollingTrigger editImage egoi elasticSecurity elasticsearch emailReadImap ' +
  'emailSend emelia emeliaTrigger erpNext errorTrigger evaluation evaluationTrigger eventbriteTrigger executeCommand executeWorkflow ' +
  'executeWorkflowTrigger executionData extractFromFile facebookGraphApi facebookLeadAdsTrigger facebookTrigger figmaTrigger filemaker filter flow ' +
  'flowTrigger form formIoTrigger formTrigger formstackTrigger freshdesk freshservice freshworksCrm ftp function functionItem gSuiteAdmin getResponse ' +
  'getResponseTrigger ghost git github githubTrigger gitlab gitlabTrigger gmail gmailTrigger goToWebinar gong googleAds googleAnalytics googleBigQuery ' +
  'googleBooks googleBusinessProfile googleBusinessProfileTrigger googleCalendar googleCalendarTrigger googleChat googleCloudNaturalLanguage ' +
  'googleCloudStorage googleContacts googleDocs googleDrive googleDriveTrigger googleFirebaseCloudFirestore googleFirebaseRealtimeDatabase ' +
  'googlePerspective googleSheets googleSheetsTrigger googleSlides googleTasks googleTranslate gotify grafana graphql grist gumroadTrigger hackerNews ' +
  'haloPSA harvest helpScout helpScoutTrigger highLevel homeAssistant html htmlExtract httpRequest hubspot hubspotTrigger humanticAi hunter iCal if ' +
  'intercom interval invoiceNinja invoiceNinjaTrigger itemLists iterable jenkins jinaAi jira jiraTrigger jotFormTrigger jwt kafka kafkaTrigger keap ' +
  'keapTrigger koBoToolbox koBoToolboxTrigger ldap lemlist lemlistTrigger limit line linear linearTrigger lingvaNex linkedIn localFileTrigger loneScale ' +
  'loneScaleTrigger magento2 mailcheck mailchimp mailchimpTrigger mailerLite mailerLiteTrigger mailgun mailjet mailjetTrigger mandrill manualTrigger ' +
  'markdown marketstack matrix mattermost mautic mauticTrigger medium merge messageAnAgent messageBird metabase microsoftDataverse microsoftDynamicsCrm ' +
  'microsoftEntra microsoftExcel microsoftExcelSharePoint microsoftGraphSecurity microsoftOneDrive microsoftOneDriveTrigger microsoftOutlook ' +
  'microsoftOutlookTrigger microsoftSharePoint microsoftSql microsoftTeams microsoftTeamsTrigger microsoftToDo mindee misp mistralAi mocean mondayCom ' +
  'mongoDb monicaCrm moveBinaryData mqtt mqttTrigger msg91 mySql n8n n8nTrainingCustomerDatastore n8nTrainingCustomerMessenger n8nTrigger nasa netlify ' +
  'netlifyTrigger nextCloud noOp nocoDb notion notionTrigger npm odoo okta oneSimpleApi onfleet onfleetTrigger openAi openThesaurus openWeatherMap ' +
  'oracleDatabase orbit oura paddle pagerDuty payPal payPalTrigger peekalink perplexity phantombuster philipsHue pipedrive pipedriveTrigger plivo postBin ' +
  'postHog postgres postgresTrigger postmarkTrigger profitWell pushbullet pushcut pushcutTrigger pushover questDb quickChart quickbase quickbooks ' +
  'rabbitmq rabbitmqTrigger raindrop readBinaryFile readBinaryFiles readPDF readWriteFile reddit redis redisTrigger removeDuplicates renameKeys ' +
  'respondToWebhook rocketchat rssFeedRead rssFeedReadTrigger rundeck s3 salesforce salesforceTrigger salesmate scheduleTrigger seaTable seaTableTrigger ' +
  'securityScorecard segment sendGrid sendInBlue sendInBlueTrigger sendy sentryIo serviceNow set shopify shopifyTrigger signl4 simulate simulateTrigger ' +
  'slack slackTrigger sms77 snowflake sort splitInBatches splitOut splunk spotify spreadsheetFile sseTrigger ssh stackby stickyNote stopAndError ' +
  'storyblok strapi strava stravaTrigger stripe stripeTrigger summarize supabase surveyMonkeyTrigger switch syncroMsp taiga taigaTrigger tapfiliate ' +
  'telegram telegramTrigger theHive theHiveProject theHiveProjectTrigger theHiveTrigger timeSaved timescaleDb todoist togglTrigger totp travisCi trello ' +
  'trelloTrigger twake twilio twilioTrigger twist twitter typeformTrigger unleashedSoftware uplead uproc uptimeRobot urlScanIo venafiTlsProtectCloud ' +
  'venafiTlsProtectCloudTrigger venafiTlsProtectDatacenter vero vonage wait webflow webflowTrigger webhook wekan whatsApp whatsAppTrigger wise ' +
  'wiseTrigger wooCommerce wooCommerceTrigger wordpress workableTrigger workflowTrigger writeBinaryFile wufooTrigger xero xml youTube yourls zammad ' +
  'zendesk zendeskTrigger zohoCrm zoom zulip'
))

const LANGCHAIN: ReadonlySet<string> = new Set(words(
  'agent agentTool alibabaCloud anthropic chainLlm chainRetrievalQa chainSummarization chat chatHubVectorStorePGVector chatHubVectorStorePinecone ' +
  'chatHubVectorStoreQdrant chatTrigger code documentBinaryInputLoader documentDefaultDataLoader documentGithubLoader documentJsonInputLoader ' +
  'embeddingsAwsBedrock embeddingsAzureOpenAi embeddingsCohere embeddingsDatabricks embeddingsGoogleGemini embeddingsGoogleVertex ' +
  'embeddingsHuggingFaceInference embeddingsLemonade embeddingsMistralCloud embeddingsNvidia embeddingsOllama embeddingsOpenAi embeddingsOracleDb ' +
  'googleGemini guardrails informationExtractor lmChatAlibabaCloud lmChatAnthropic lmChatAwsBedrock lmChatAzureOpenAi lmChatCohere lmChatDatabricks ' +
  'lmChatDeepSeek lmChatGoogleGemini lmChatGoogleVertex lmChatGroq lmChatLemonade lmChatMinimax lmChatMistralCloud lmChatMoonshot lmChatNvidia ' +
  'lmChatOllama lmChatOpenAi lmChatOpenRouter lmChatVercelAiGateway lmChatXAiGrok lmCohere lmLemonade lmOllama lmOpenAi lmOpenHuggingFaceInference ' +
  'manualChatTrigger mcpClient mcpClientTool mcpRegistryClientTool mcpTrigger memoryBufferWindow memoryChatRetriever memoryManager memoryMongoDbChat ' +
  'memoryMotorhead memoryPostgresChat memoryRedisChat memoryXata memoryZep microsoftAgent365Trigger minimax modelSelector moonshot ollama openAi ' +
  'openAiAssistant outputParserAutofixing outputParserItemList outputParserStructured rerankerCohere retrieverContextualCompression retrieverMultiQuery ' +
  'retrieverVectorStore retrieverWorkflow sentimentAnalysis textClassifier textSplitterCharacterTextSplitter textSplitterRecursiveCharacterTextSplitter ' +
  'textSplitterTokenSplitter toolCalculator toolCode toolExecutor toolHttpRequest toolSearXng toolSerpApi toolThink toolVectorStore toolWikipedia ' +
  'toolWolframAlpha toolWorkflow vectorStoreAzureAISearch vectorStoreChromaDB vectorStoreInMemory vectorStoreInMemoryInsert vectorStoreInMemoryLoad ' +
  'vectorStoreMilvus vectorStoreMongoDBAtlas vectorStoreOracleDBVector vectorStorePGVector vectorStorePinecone vectorStorePineconeInsert ' +
  'vectorStorePineconeLoad vectorStoreQdrant vectorStoreRedis vectorStoreSupabase vectorStoreSupabaseInsert vectorStoreSupabaseLoad vectorStoreWeaviate ' +
  'vectorStoreZep vectorStoreZepInsert vectorStoreZepLoad'
))

const HIDDEN_BASE: ReadonlySet<string> = new Set(words(
  'aiTransform cron databricksTrigger function functionItem htmlExtract iCal interval itemLists line messageAnAgent moveBinaryData openAi orbit ' +
  'readBinaryFile readBinaryFiles readPDF simulate simulateTrigger spreadsheetFile start workflowTrigger writeBinaryFile'
))

const HIDDEN_LANGCHAIN: ReadonlySet<string> = new Set(words(
  'documentBinaryInputLoader documentGithubLoader documentJsonInputLoader lmOpenAi manualChatTrigger memoryChatRetriever memoryMotorhead memoryZep ' +
  'openAiAssistant toolHttpRequest toolSerpApi vectorStoreInMemoryInsert vectorStoreInMemoryLoad vectorStorePineconeInsert vectorStorePineconeLoad ' +
  'vectorStoreSupabaseInsert vectorStoreSupabaseLoad vectorStoreZepInsert vectorStoreZepLoad'
))

/** Types whose present major version is above 1. */
const MAJORS: ReadonlyMap<string, number> = new Map([
  ...words(
    'Brandfetch airtable awsS3 calendlyTrigger code compareDatasets crypto dateTime discord emailReadImap emailSend filter form formTrigger gmail ' +
    'googleAnalytics googleBigQuery googleBooks googleDocs googleSlides googleTranslate highLevel hubspot if invoiceNinja invoiceNinjaTrigger lemlist ' +
    'mailerLite mailerLiteTrigger microsoftExcel microsoftOutlook microsoftSharePoint microsoftTeams mySql odoo pipedrive postgres removeDuplicates ' +
    'seaTable seaTableTrigger slack splunk theHiveTrigger todoist twitter webflow webflowTrigger webhook'
  ).map((name) => [`base.${name}`, 2] as const),
  ...words(
    'calTrigger googleDrive merge mindee notion perplexity set splitInBatches switch'
  ).map((name) => [`base.${name}`, 3] as const),
  ...words(
    'evaluation evaluationTrigger googleSheets httpRequest nocoDb'
  ).map((name) => [`base.${name}`, 4] as const),
  ...words(
    'chainSummarization guardrails mcpTrigger openAi toolWorkflow'
  ).map((name) => [`ai.${name}`, 2] as const),
  ...words(
    'agent agentTool'
  ).map((name) => [`ai.${name}`, 3] as const)
])

export type N8nPackage = 'base' | 'ai'

/** `name` without package prefix, and without `Tool` where the node is a tool's twin. */
export function n8nTypeState (of: N8nPackage, name: string): 'current' | 'hidden' | 'unknown' {
  if ((of === 'base' ? HIDDEN_BASE : HIDDEN_LANGCHAIN).has(name)) return 'hidden'
  return (of === 'base' ? BASE : LANGCHAIN).has(name) ? 'current' : 'unknown'
}

/** The major version that a new node of the type gets. */
export function n8nMajor (of: N8nPackage, name: string): number {
  return MAJORS.get(`${of}.${name}`) ?? 1
}

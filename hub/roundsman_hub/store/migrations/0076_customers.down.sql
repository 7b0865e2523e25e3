-- What customers said, asked for and wished is lost; orders and their instructions stay.
DROP TABLE case_photos, case_steps, cases, chat, service_settings, recipients;

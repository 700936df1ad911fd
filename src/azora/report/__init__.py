"""What people read: the report's page and the model card."""

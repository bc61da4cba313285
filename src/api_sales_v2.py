"""`uvicorn src.api_sales_v2:app`: the deployed model over HTTP."""

from tabtrail.serving.app import create_app

app = create_app()

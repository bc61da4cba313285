"""`uvicorn src.api_sales_v2:app`: the deployed model over HTTP."""

from tabtrail.service import create_app

app = create_app()

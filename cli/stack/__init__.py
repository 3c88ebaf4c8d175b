"""The CloudFormation stack: packaged from Chalice, deployed, destroyed.

The same code serves AWS and the local cloud.

package.py    chalice package → template.json + deployment.zip, kept until a source changes
template.py   what is done to Chalice's template
code.py       the training code's archive and its version
images.py     which container images a stage uses
deploy.py     artifacts up, stack created or updated, outputs back
cloudformation.py
              one stack: change sets, events, waiting
api.py        the API's address
buckets.py    what is put into S3, and taken out
moved.py      a local cloud on another port than before
destroy.py    what API calls made, the bucket's content, the stack
"""
